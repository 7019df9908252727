// In:     $1 operation id, $2 version as seen, $3 new owner, $4 actor, $5 trace id.
// Out:    the record as taken (with its identity), or no row if anything had changed.
// Atomic: record and transition; the guard is checked again by the write, by the store's clock.
//         Fingerprint and policy stay those that the operation was first claimed under.
import { SIGHTING_WITH_IDENTITY } from './record.ts';
import { CLOCK, statement } from './statement.ts';

const take = (s: string, name: string, from: string, cause: string, guard: string) =>
  statement(
    name,
    `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
o AS (
  UPDATE ${s}.operation t SET
    state = 'processing', attempt = t.attempt + 1, owner = $3, version = t.version + 1,
    updated_at = now, claimed_at = now, lease_until = now + t.lease_ms * interval '1 millisecond', expires_at = NULL
  FROM clock
  WHERE t.operation_id = $1 AND t.version = $2::integer AND ${guard}
  RETURNING t.*
),
logged AS (
  INSERT INTO ${s}.transition (operation_id, seq, from_state, to_state, attempt, cause, at, actor, trace_id)
  SELECT operation_id, version, '${from}', 'processing', attempt, '${cause}', updated_at, $4, $5 FROM o
)
SELECT ${SIGHTING_WITH_IDENTITY} FROM o`,
  );

/** `released` -> `processing`. */
export const takeReleased = (s: string) =>
  take(s, 'take_released', 'released', 'claimed', `t.state = 'released'`);

/** `processing` whose lease ran out -> `processing`. */
export const takeOverdue = (s: string) =>
  take(s, 'take_overdue', 'processing', 'overtaken', `t.state = 'processing' AND t.lease_until <= now`);
