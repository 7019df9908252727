// In:     $1 time limit in milliseconds, $2 operation id.
// Out:    in the third and fourth column the transaction's id, and the epoch of the operation or null.
// Atomic: settings that end with the transaction. The id proves at the end that it is still the same transaction: a
//         handler's own COMMIT or ROLLBACK would have ended it.
import { isCommitted, statement } from './statement.ts';

export const openTransaction = (s: string) =>
  statement(
    'open_transaction',
    `SELECT set_config('statement_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $1, true),
  pg_current_xact_id()::text, (SELECT o.epoch FROM ${s}.operation o WHERE o.operation_id = $2)`,
  );

// In:     $1 id of a transaction that is over.
// Out:    whether it was committed.
// Atomic: one read.
export const committed = () => statement('committed', `SELECT ${isCommitted('$1')}`);
