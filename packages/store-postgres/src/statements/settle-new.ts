// In:     $1-$15 the request, $16 state, $17 cause, $18 outcome, $19 marker.
// Out:    expires_at in the second column. A unique violation of `operation_identity` if somebody came first.
// Atomic: record and transition: the atomic mode's one row, never `processing`. The last statement before COMMIT;
//         raises if the handler ended the transaction itself.
import { RAISED } from '../connections/failures.ts';
import { REQUEST_COLUMNS, REQUEST_PARAMETERS } from './record.ts';
import { CLOCK, epochMs, statement } from './statement.ts';

export const settleNew = (s: string) =>
  statement(
    'settle_new',
    `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
settled AS (
  INSERT INTO ${s}.operation (${REQUEST_COLUMNS},
    state, attempt, version, created_at, updated_at, first_claimed_at, expires_at, outcome)
  SELECT ${REQUEST_PARAMETERS},
    $16, 1, 1, now, now, now, now + $13::float8 * interval '1 millisecond', $18
  FROM clock
  RETURNING operation_id, created_at, expires_at
),
logged AS (
  INSERT INTO ${s}.transition (operation_id, seq, from_state, to_state, attempt, cause, at, actor, trace_id)
  SELECT operation_id, 1, NULL, $16, 1, $17, created_at, $14, $15 FROM settled
)
SELECT ${s}.require(current_setting('semel.marker', true) = $19, '${RAISED.markerLost}'),
  ${epochMs('expires_at')} FROM settled`,
  );
