// In:     $1 operation id, $2 stored state, $3 stored attempt, $4 attempted state, $5 attempted attempt, $6 actor,
//         $7 trace id, $8 evidence.
// Out:    nothing.
// Atomic: one row, made or counted. One operation's late owners leave at most 100 rows; beyond that only the counts
//         of what is known go on.
import { CLOCK, statement } from './statement.ts';

export const recordRejected = (s: string) =>
  statement(
    'record_rejected',
    `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
repeated AS (
  UPDATE ${s}.rejected_transition SET count = count + 1, last_at = now, trace_id = coalesce($7, trace_id) FROM clock
  WHERE operation_id = $1 AND attempted_state = $4 AND attempted_attempt = $5::integer
    AND stored_state = $2 AND stored_attempt = $3::integer AND actor = $6
    AND evidence_hash = md5(coalesce($8::text, ''))
  RETURNING 1
)
INSERT INTO ${s}.rejected_transition AS r (operation_id, stored_state, stored_attempt, attempted_state,
  attempted_attempt, actor, trace_id, evidence, first_at, last_at)
SELECT $1, $2, $3::integer, $4, $5::integer, $6, $7, $8, now, now FROM clock
WHERE NOT EXISTS (SELECT FROM repeated)
  AND (SELECT count(*) FROM ${s}.rejected_transition WHERE operation_id = $1) < 100
ON CONFLICT ON CONSTRAINT rejected_transition_once
  DO UPDATE SET count = r.count + 1, last_at = excluded.last_at`,
  );
