// In:     $1 operation id, $2 owner, $3 attempt.
// Out:    one row if this attempt still holds the operation: then no transaction that it began before can commit any
//         more. No row: look at the record.
// Atomic: waits for the row's lock (under the caller's lock_timeout), so for a transaction that is in its last flight.
//         Growing the epoch refuses one whose last flight is still on its way.
import { statement } from './statement.ts';

export const fenceOff = (s: string) =>
  statement(
    'fence_off',
    `UPDATE ${s}.operation SET epoch = epoch + 1
WHERE operation_id = $1 AND state = 'processing' AND owner = $2 AND attempt = $3::integer
RETURNING epoch`,
  );
