// In:     $1-$15 the request, $16 state, $17 outcome, $18 transaction id, or null for a transaction without effects.
// Out:    expires_at. A unique violation of `operation_identity` if somebody came first.
// Atomic: record and transition in one row: the atomic mode's, never `processing`. The last statement before COMMIT;
//         raises if the handler ended the transaction itself. Plain VALUES: a sub-select for the clock and an expression
//         in RETURNING took as long as the insert (measured: 171 against 97 microseconds).
import { RAISED } from '../connections/failures.ts';
import { REQUEST_COLUMNS, REQUEST_PARAMETERS } from './record.ts';
import { epochMs, NOW, sameTransaction, statement } from './statement.ts';

export const settleNew = (s: string) =>
  statement(
    'settle_new',
    `INSERT INTO ${s}.operation (${REQUEST_COLUMNS},
    attempt, version, state, created_at, updated_at, first_claimed_at, expires_at, outcome)
VALUES (${REQUEST_PARAMETERS},
    1, 1, CASE WHEN ${sameTransaction(s, '$18', RAISED.transactionEnded)} THEN $16 END,
    ${NOW}, ${NOW}, ${NOW}, ${NOW} + $13::float8 * interval '1 millisecond', $17)
RETURNING ${epochMs('expires_at')}`,
  );
