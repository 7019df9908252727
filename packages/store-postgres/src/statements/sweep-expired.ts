// Retention walks the operations by id (made so that older ones come first; the walk is right whatever they are), a batch
// a call, from a stored cursor, and begins again at the end. No index of its own.
import { EXPIRY_GRACE_MS } from '@semel/server/store';
import { CLOCK, freeAt, statement } from './statement.ts';

// In:     nothing.
// Out:    cursor; no row while another server sweeps.
// Atomic: holds the sweep's row until the transaction ends.
export const expiryCursor = (s: string) =>
  statement(
    'expiry_cursor',
    `SELECT cursor_id FROM ${s}.sweep WHERE name = 'expired' FOR UPDATE SKIP LOCKED`,
  );

// In:     $1 cursor, $2 limit.
// Out:    operation ids in order.
// Atomic: one read.
export const operationsAfter = (s: string) =>
  statement(
    'operations_after',
    `SELECT o.operation_id FROM ${s}.operation o WHERE o.operation_id > $1 ORDER BY o.operation_id LIMIT $2::integer`,
  );

// In:     $1 operation ids.
// Out:    operation id, procedure, scope of those that were deleted.
// Atomic: an operation with its history, steps, progress, decisions and refused transitions. Unsettled ones have no expires_at and stay. A
//         row that is locked is being replaced by a new operation.
export const deleteExpired = (s: string) =>
  statement(
    'delete_expired',
    `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
permit AS MATERIALIZED (SELECT set_config('semel.retention', 'on', true) AS given),
expired AS (
  SELECT o.operation_id FROM ${s}.operation o, clock
  WHERE o.operation_id = ANY ($1::text[]) AND ${freeAt('o.expires_at', EXPIRY_GRACE_MS)} <= now
  ORDER BY o.operation_id
  FOR UPDATE OF o SKIP LOCKED
),
deleted AS (
  DELETE FROM ${s}.operation o USING expired WHERE o.operation_id = expired.operation_id
  RETURNING o.operation_id, o.procedure, o.scope
),
no_steps AS (DELETE FROM ${s}.step c USING expired WHERE c.operation_id = expired.operation_id),
no_rejections AS (DELETE FROM ${s}.rejected_transition c USING expired WHERE c.operation_id = expired.operation_id),
no_progress AS (DELETE FROM ${s}.progress c USING expired WHERE c.operation_id = expired.operation_id),
no_work AS (DELETE FROM ${s}.work c USING expired WHERE c.operation_id = expired.operation_id),
no_history AS (
  DELETE FROM ${s}.transition c USING expired, permit
  WHERE c.operation_id = expired.operation_id AND permit.given = 'on'
),
no_decisions AS (
  DELETE FROM ${s}.decision c USING expired, permit
  WHERE c.operation_id = expired.operation_id AND permit.given = 'on'
)
SELECT operation_id, procedure, scope FROM deleted`,
  );

// In:     $1 cursor.
// Out:    nothing.
// Atomic: the cursor.
export const passExpired = (s: string) =>
  statement('pass_expired', `UPDATE ${s}.sweep SET cursor_id = $1 WHERE name = 'expired'`);

// In:     nothing.
// Out:    nothing.
// Atomic: old refusals whose operation is gone: a late owner may come after its operation was deleted or replaced.
//         The table is all but empty in a healthy system, so it is read whole, once a round.
export const forgetRefused = (s: string) =>
  statement(
    'forget_refused',
    `DELETE FROM ${s}.rejected_transition r
WHERE r.last_at < clock_timestamp() - interval '30 days'
  AND NOT EXISTS (SELECT FROM ${s}.operation o WHERE o.operation_id = r.operation_id)`,
  );
