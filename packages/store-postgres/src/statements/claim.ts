// In:     $1-$15 the request (record.ts).
// Out:    one row with the store's clock if the operation is new; no row if the identity (or the id) was taken.
// Atomic: record and its first transition, which is in the row. Of any number at once one inserts; DO NOTHING rather than a unique
//         violation, which would be an error in the log and, through pool.query, the end of the connection.
import { REQUEST_COLUMNS, REQUEST_PARAMETERS } from './record.ts';
import { epochMs, NOW, statement } from './statement.ts';

export const claim = (s: string) =>
  statement(
    'claim',
    `INSERT INTO ${s}.operation (${REQUEST_COLUMNS},
    state, attempt, version, created_at, updated_at, first_claimed_at, claimed_at, lease_until)
VALUES (${REQUEST_PARAMETERS},
    'processing', 1, 1, ${NOW}, ${NOW}, ${NOW}, ${NOW}, ${NOW} + $9::float8 * interval '1 millisecond')
ON CONFLICT DO NOTHING
RETURNING ${epochMs('created_at')}`,
  );
