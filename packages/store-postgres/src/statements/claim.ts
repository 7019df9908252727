// In:     $1-$15 the request (record.ts).
// Out:    one row with the store's clock if the operation is new; no row if the identity (or the id) was taken.
// Atomic: record and its first transition. Of any number at once one inserts; DO NOTHING rather than a unique
//         violation, which would be an error in the log and, through pool.query, the end of the connection.
import { REQUEST_COLUMNS, REQUEST_PARAMETERS } from './record.ts';
import { CLOCK, epochMs, statement } from './statement.ts';

export const claim = (s: string) =>
  statement(
    'claim',
    `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
claimed AS (
  INSERT INTO ${s}.operation (${REQUEST_COLUMNS},
    state, attempt, version, created_at, updated_at, first_claimed_at, claimed_at, lease_until)
  SELECT ${REQUEST_PARAMETERS},
    'processing', 1, 1, now, now, now, now, now + $9::float8 * interval '1 millisecond'
  FROM clock
  ON CONFLICT DO NOTHING
  RETURNING operation_id, created_at
),
logged AS (
  INSERT INTO ${s}.transition (operation_id, seq, from_state, to_state, attempt, cause, at, actor, trace_id)
  SELECT operation_id, 1, NULL, 'processing', 1, 'claimed', created_at, $14, $15 FROM claimed
)
SELECT ${epochMs('created_at')} FROM claimed`,
  );
