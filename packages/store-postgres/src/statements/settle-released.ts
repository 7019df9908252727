// In:     $1 operation id, $2 version as seen, $3 owner, $4 actor, $5 trace id, $6 state, $7 cause, $8 outcome, $9 transaction id.
// Out:    expires_at in the third column; raises if anything had changed.
// Atomic: record and transition: the next attempt of a released operation, settled at once (atomic mode).
import { RAISED } from '../connections/failures.ts';
import { CLOCK, epochMs, sameTransaction, statement } from './statement.ts';

export const settleReleased = (s: string) =>
  statement(
    'settle_released',
    `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
settled AS (
  UPDATE ${s}.operation t SET
    state = $6::text, attempt = t.attempt + 1, owner = $3, outcome = $8, version = t.version + 1, updated_at = now,
    expires_at = now + t.ttl_ms * interval '1 millisecond'
  FROM clock
  WHERE t.operation_id = $1 AND t.version = $2::integer AND t.state = 'released'
  RETURNING t.operation_id, t.version, t.attempt, t.updated_at, t.expires_at
),
logged AS (
  INSERT INTO ${s}.transition (operation_id, seq, from_state, to_state, attempt, cause, at, actor, trace_id)
  SELECT operation_id, version, 'released', $6::text, attempt, $7, updated_at, $4, $5 FROM settled
)
SELECT ${sameTransaction(s, '$9', RAISED.transactionEnded)},
  ${s}.require((SELECT count(*) FROM settled) = 1, '${RAISED.overtaken}'),
  (SELECT ${epochMs('expires_at')} FROM settled)`,
  );
