// In:     $1 operation id, $2 owner, $3 attempt, $4 state, $5 cause, $6 outcome or null, $7 actor, $8 trace id,
//         for `settleInTransaction` also $9 epoch, $10 transaction id.
// Out:    `settle`: one row with expires_at, or none if the attempt doesn't hold the operation (any more).
//         `settleInTransaction`: expires_at in the third column; raises otherwise.
// Atomic: record and transition. HOT: nothing that an index names is touched.
import { RAISED } from '../connections/failures.ts';
import { CLOCK, epochMs, sameTransaction, statement } from './statement.ts';

const settled = (s: string, guard: string) => `
WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
settled AS (
  UPDATE ${s}.operation t SET
    state = $4::text, outcome = $6, version = t.version + 1, updated_at = now, lease_until = NULL,
    expires_at = CASE WHEN $4::text IN ('completed', 'failed', 'released')
      THEN now + t.ttl_ms * interval '1 millisecond' END
  FROM clock
  WHERE t.operation_id = $1 AND t.state = 'processing' AND t.owner = $2 AND t.attempt = $3::integer ${guard}
  RETURNING t.operation_id, t.version, t.attempt, t.updated_at, t.expires_at
),
logged AS (
  INSERT INTO ${s}.transition (operation_id, seq, from_state, to_state, attempt, cause, at, actor, trace_id)
  SELECT operation_id, version, 'processing', $4::text, attempt, $5, updated_at, $7, $8 FROM settled
)`;

export const settle = (s: string) =>
  statement('settle', `${settled(s, '')} SELECT ${epochMs('expires_at')} FROM settled`);

/** The last statement before COMMIT: raises, so that a COMMIT in the same flight can't follow a refusal. */
export const settleInTransaction = (s: string) =>
  statement(
    'settle_in_transaction',
    `${settled(s, 'AND t.epoch = $9::integer')}
SELECT ${sameTransaction(s, '$10', RAISED.transactionEnded)},
  ${s}.require((SELECT count(*) FROM settled) = 1, '${RAISED.overtaken}'),
  (SELECT ${epochMs('expires_at')} FROM settled)`,
  );
