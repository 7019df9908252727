// In:     $1 operation ids, $2 owners, $3 attempts, $4 states, $5 causes, $6 outcomes or null, $7 actors, $8 trace ids:
//         arrays of one length; for `settleManyWithWords` also $9 last errors or null, of what is suspended.
// Out:    position (from 1) and expires_at of those that were settled. Not among them: attempts that don't hold their
//         operation (any more), and rows that somebody has locked: ask for those alone.
// Atomic: all records and their transitions, one commit, each guarded by its own attempt: one that was overtaken changes
//         nothing for the others. Rides with no handler's effects, so a refusal has nothing to undo and needn't raise.
//         SKIP LOCKED: a batch never waits, so one locked row can't hold up its neighbours, nor two batches each other.
//         LATERAL, and `few`: each row is looked up by its index, whenever the plan was made.
import { CLOCK, epochMs, few, statement } from './statement.ts';

const settleThem = (s: string, name: string, words: { readonly given: string; readonly kept: string }) =>
  statement(
    name,
    `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
held AS MATERIALIZED (
  SELECT w.* FROM unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[]${words.given})
    WITH ORDINALITY AS w (operation_id, owner, attempt, state, cause, outcome, actor, trace_id${words.given && ', last_error'}, position)
  CROSS JOIN LATERAL (
    SELECT FROM ${s}.operation o
    WHERE o.operation_id = w.operation_id AND o.owner = w.owner AND o.attempt = w.attempt AND o.state = 'processing'
    FOR NO KEY UPDATE SKIP LOCKED
  ) o
),
settled AS (
  UPDATE ${s}.operation t SET
    state = held.state, outcome = held.outcome, version = t.version + 1, updated_at = now, lease_until = NULL,
    expires_at = CASE WHEN held.state IN ('completed', 'failed', 'released')
      THEN now + t.ttl_ms * interval '1 millisecond' END
  FROM held, clock
  WHERE t.operation_id = held.operation_id AND ${few('held.attempt')}
  RETURNING held.position, held.cause, held.actor, held.trace_id${words.given && ', held.last_error'},
    t.operation_id, t.version, t.state, t.attempt, t.updated_at, t.expires_at
),
logged AS (
  INSERT INTO ${s}.transition (operation_id, seq, from_state, to_state, attempt, cause, at, actor, trace_id)
  SELECT operation_id, version, 'processing', state, attempt, cause, updated_at, actor, trace_id FROM settled
)${words.kept}
SELECT position::integer, ${epochMs('expires_at')} FROM settled`,
  );

export const settleMany = (s: string) => settleThem(s, 'settle_many', { given: '', kept: '' });

/** A statement of its own, so that what settles pays nothing for what is suspended. */
export const settleManyWithWords = (s: string) =>
  settleThem(s, 'settle_many_with_words', {
    given: ', $9::text[]',
    kept: `,
waiting AS (
  INSERT INTO ${s}.attention (operation_id, since, last_error)
  SELECT operation_id, updated_at, last_error FROM settled WHERE last_error IS NOT NULL AND state = 'suspended'
  ON CONFLICT (operation_id) DO UPDATE SET last_error = excluded.last_error
)`,
  });
