import { SIGHTING_WITH_IDENTITY } from './record.ts';
import { CLOCK, epochMs, statement } from './statement.ts';

const WORK = 'w.principal, w.input, w.dead_letter_owner';

// In:     $1 operation id, $2 owner, $3 actor, $4 trace id.
// Out:    the record as started (with its identity), its work and the cause; or no row if it may not be started now.
// Atomic: record and transition. Of any number at once one starts: the others wait for it and find another state. The guards
//         are the record's own, by the store's clock; an owner doesn't overtake itself. What is accepted and due is started
//         whatever its attempts and window: nothing else leads out of that state, and the attempt finds out that it comes too
//         late. The window counts from the first start.
export const start = (s: string) =>
  statement(
    'start',
    `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
old AS MATERIALIZED (
  SELECT o.operation_id, o.state AS from_state FROM ${s}.operation o, clock
  WHERE o.operation_id = $1 AND o.mode = 'queued' AND (
    o.state = 'accepted'
      AND NOT EXISTS (SELECT FROM ${s}.work w WHERE w.operation_id = o.operation_id AND w.due_at > now)
    OR o.state = 'processing' AND o.lease_until <= now AND o.owner <> $2 AND o.on_crash = 'resume'
      AND o.attempt < o.max_attempts
      AND o.first_claimed_at + o.downstream_window_ms * interval '1 millisecond' > now)
  FOR NO KEY UPDATE OF o
),
o AS (
  UPDATE ${s}.operation t SET
    state = 'processing', attempt = t.attempt + 1, owner = $2, version = t.version + 1, updated_at = now,
    first_claimed_at = CASE t.attempt WHEN 0 THEN now ELSE t.first_claimed_at END,
    claimed_at = now, lease_until = now + t.lease_ms * interval '1 millisecond'
  FROM old, clock
  WHERE t.operation_id = old.operation_id
  RETURNING t.*, CASE old.from_state::text WHEN 'accepted' THEN 'started' ELSE 'overtaken' END AS cause, old.from_state
),
logged AS (
  INSERT INTO ${s}.transition (operation_id, seq, from_state, to_state, attempt, cause, at, actor, trace_id)
  SELECT operation_id, version, from_state, 'processing', attempt, cause, updated_at, $3, $4 FROM o
)
SELECT ${SIGHTING_WITH_IDENTITY}, ${WORK}, o.cause FROM o JOIN ${s}.work w ON w.operation_id = o.operation_id`,
  );

// In:     $1 operation id.
// Out:    as `start`, with the cause of the last transition, and when it is due; work, cause and due are null where there is none.
// Atomic: one read. For a delivery that asks again, and for saying why one may not start.
export const started = (s: string) =>
  statement(
    'started',
    `SELECT ${SIGHTING_WITH_IDENTITY}, ${WORK}, t.cause, ${epochMs('w.due_at')}
FROM ${s}.operation o
LEFT JOIN ${s}.work w ON w.operation_id = o.operation_id
LEFT JOIN ${s}.transition t ON t.operation_id = o.operation_id AND t.seq = o.version
WHERE o.operation_id = $1`,
  );

// In:     $1 operation id.
// Out:    principal, input, dead letter owner, due at, last error; no row once it is settled, or if it isn't queued.
// Atomic: one read.
export const work = (s: string) =>
  statement(
    'work',
    `SELECT ${WORK}, ${epochMs('w.due_at')}, w.last_error FROM ${s}.work w WHERE w.operation_id = $1`,
  );
