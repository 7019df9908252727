// In:     $1 operation id, $2 version as seen, $3 actor, $4 trace id.
// Out:    the record as suspended (with its identity), or no row if anything had changed.
// Atomic: record and transition; the lease is compared with the store's clock by the write.
import { SIGHTING_WITH_IDENTITY } from './record.ts';
import { CLOCK, statement } from './statement.ts';

export const suspendOrphan = (s: string) =>
  statement(
    'suspend_orphan',
    `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
o AS (
  UPDATE ${s}.operation t SET
    state = 'suspended', version = t.version + 1, updated_at = now, lease_until = NULL
  FROM clock
  WHERE t.operation_id = $1 AND t.version = $2::integer AND t.state = 'processing' AND t.lease_until <= now
  RETURNING t.*
),
logged AS (
  INSERT INTO ${s}.transition (operation_id, seq, from_state, to_state, attempt, cause, at, actor, trace_id)
  SELECT operation_id, version, 'processing', 'suspended', attempt, 'outcome_unknown', updated_at, $3, $4 FROM o
)
SELECT ${SIGHTING_WITH_IDENTITY} FROM o`,
  );
