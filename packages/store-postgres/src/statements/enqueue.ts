// In:     $1-$15 the request (record.ts), $16 principal, $17 input, $18 dead letter owner.
// Out:    the record as accepted, or no row if the identity (or the id) was taken.
// Atomic: record, its first transition (which is in the row) and its work. In a transaction that goes on: whoever wants the same
//         identity waits for its end. DO NOTHING rather than a unique violation, which would be an error in the log.
import { REQUEST_COLUMNS, REQUEST_PARAMETERS, SIGHTING } from './record.ts';
import { NOW, statement } from './statement.ts';

export const enqueue = (s: string) =>
  statement(
    'enqueue',
    `WITH o AS (
  INSERT INTO ${s}.operation (${REQUEST_COLUMNS},
    state, attempt, version, created_at, updated_at, first_claimed_at)
  VALUES (${REQUEST_PARAMETERS}, 'accepted', 0, 1, ${NOW}, ${NOW}, ${NOW})
  ON CONFLICT DO NOTHING
  RETURNING *
),
kept AS (
  INSERT INTO ${s}.work (operation_id, principal, input, dead_letter_owner, due_at)
  SELECT operation_id, $16, $17, $18, created_at FROM o
)
SELECT ${SIGHTING} FROM o`,
  );
