import { RAISED } from '../connections/failures.ts';
import { SIGHTING_WITH_IDENTITY } from './record.ts';
import { CLOCK, sameTransaction, statement } from './statement.ts';

// In:     $1 operation id.
// Out:    the record (with its identity); no row if there is none, or if somebody else has it locked.
// Atomic: the row is locked until the transaction ends; nobody waits for it here.
export const lockToDecide = (s: string) =>
  statement(
    'lock_to_decide',
    `SELECT ${SIGHTING_WITH_IDENTITY} FROM ${s}.operation o WHERE o.operation_id = $1 FOR NO KEY UPDATE SKIP LOCKED`,
  );

// In:     $1 operation id, $2 state and $3 version as locked, $4 new state, $5 outcome, $6 actor, $7 reason, $8 trace id,
//         $9 token, $10 transaction id.
// Out:    the record (with its identity) from the third column on; raises if anything has changed.
// Atomic: record, transition, decision and what waits. The last statement before COMMIT. The trigger erases the work.
//         The owner is this decision's: an attempt that brings the same outcome later must not take it for its own commit.
export const resolve = (s: string) =>
  statement(
    'resolve',
    `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
o AS (
  UPDATE ${s}.operation t SET
    state = $4::text, outcome = $5, owner = $9, version = t.version + 1, updated_at = now,
    expires_at = now + t.ttl_ms * interval '1 millisecond'
  FROM clock
  WHERE t.operation_id = $1 AND t.version = $3::integer AND t.state = $2 AND t.state IN ('suspended', 'dead')
  RETURNING t.*
),
logged AS (
  INSERT INTO ${s}.transition (operation_id, seq, from_state, to_state, attempt, cause, at, actor, trace_id)
  SELECT operation_id, version, $2, $4::text, attempt, 'resolved', updated_at, $6, $8 FROM o
),
decided AS (
  INSERT INTO ${s}.decision (operation_id, seq, action, at, actor, reason, trace_id, token)
  SELECT operation_id, version, 'resolved', updated_at, $6, $7, $8, $9 FROM o
),
waits_no_more AS (DELETE FROM ${s}.attention a USING o WHERE a.operation_id = o.operation_id)
SELECT ${sameTransaction(s, '$10', RAISED.transactionEnded)},
  ${s}.require((SELECT count(*) FROM o) = 1, '${RAISED.overtaken}'), seen.*
FROM (SELECT) one LEFT JOIN LATERAL (SELECT ${SIGHTING_WITH_IDENTITY} FROM o) seen ON true`,
  );
