import { CLOCK, epochMs, statement } from './statement.ts';

// In:     $1 operation id, $2 owner, $3 attempt, $4 value.
// Out:    whether the attempt holds the operation.
// Atomic: guard and progress. FOR SHARE holds off a takeover until this commits.
export const recordProgress = (s: string) =>
  statement(
    'record_progress',
    `WITH held AS MATERIALIZED (
  SELECT o.operation_id FROM ${s}.operation o
  WHERE o.operation_id = $1 AND o.state = 'processing' AND o.owner = $2 AND o.attempt = $3::integer
  FOR SHARE
),
written AS (
  INSERT INTO ${s}.progress (operation_id, attempt, value, at)
  SELECT operation_id, $3::integer, $4, ${CLOCK} FROM held
  ON CONFLICT ON CONSTRAINT progress_once
    DO UPDATE SET attempt = excluded.attempt, value = excluded.value, at = excluded.at
)
SELECT EXISTS (SELECT FROM held)`,
  );

// In:     $1 operation id.
// Out:    value, attempt, at; or no row.
// Atomic: one read.
export const progress = (s: string) =>
  statement('progress', `SELECT value, attempt, ${epochMs('at')} FROM ${s}.progress WHERE operation_id = $1`);
