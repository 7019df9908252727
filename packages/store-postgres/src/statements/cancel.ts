// In:     $1 operation id, $2 outcome, $3 actor, $4 reason, $5 trace id, $6 token, $7 version as seen, or null.
// Out:    the record as failed (with its identity); no row if a worker has ever had it, or it has ended.
// Atomic: record, transition and decision. The trigger erases the work. A worker that starts it at the same time is waited
//         for, and wins or loses as a whole.
import { SIGHTING_WITH_IDENTITY } from './record.ts';
import { CLOCK, statement } from './statement.ts';

export const cancel = (s: string) =>
  statement(
    'cancel',
    `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
o AS (
  UPDATE ${s}.operation t SET
    state = 'failed', outcome = $2, version = t.version + 1, updated_at = now,
    expires_at = now + t.ttl_ms * interval '1 millisecond'
  FROM clock
  WHERE t.operation_id = $1 AND t.mode = 'queued' AND t.state = 'accepted' AND t.attempt = 0
    AND ($7::integer IS NULL OR t.version = $7::integer)
  RETURNING t.*
),
logged AS (
  INSERT INTO ${s}.transition (operation_id, seq, from_state, to_state, attempt, cause, at, actor, trace_id)
  SELECT operation_id, version, 'accepted', 'failed', attempt, 'cancelled', updated_at, $3, $5 FROM o
),
decided AS (
  INSERT INTO ${s}.decision (operation_id, seq, action, at, actor, reason, trace_id, token)
  SELECT operation_id, version, 'cancelled', updated_at, $3, $4, $5, $6 FROM o
)
SELECT ${SIGHTING_WITH_IDENTITY} FROM o`,
  );
