// In:     $1-$15 the request, $16 state, $17 outcome, $18 transaction id, or null for a transaction without effects.
// Out:    expires_at in the second column. A unique violation of `operation_identity` if somebody came first.
// Atomic: record and transition in one row: the atomic mode's, never `processing`. The last statement before COMMIT;
//         raises if the handler ended the transaction itself.
import { RAISED } from '../connections/failures.ts';
import { REQUEST_COLUMNS, REQUEST_PARAMETERS } from './record.ts';
import { CLOCK, epochMs, sameTransaction, statement } from './statement.ts';

export const settleNew = (s: string) =>
  statement(
    'settle_new',
    `INSERT INTO ${s}.operation (${REQUEST_COLUMNS},
    state, attempt, version, created_at, updated_at, first_claimed_at, expires_at, outcome)
  SELECT ${REQUEST_PARAMETERS},
    $16, 1, 1, now, now, now, now + $13::float8 * interval '1 millisecond', $17
  FROM (SELECT ${CLOCK} AS now OFFSET 0) clock
  RETURNING ${sameTransaction(s, '$18', RAISED.markerLost)}, ${epochMs('expires_at')}`,
  );
