import { CLOCK, epochMs, statement } from './statement.ts';

// In:     $1 scope, $2 procedure, $3 key of the last one looked at, $4 what all scopes come before (null: nothing does),
//         $5 limit.
// Out:    operation id, state, scope, procedure, key; in order.
// Atomic: one read, along the primary key. Collation "C": by code point, nothing folded, no wildcards.
export const operationsInScopes = (s: string) =>
  statement(
    'operations_in_scopes',
    `SELECT o.operation_id, o.state, o.scope, o.procedure, o.key FROM ${s}.operation o
WHERE (o.scope, o.procedure, o.key) > ($1, $2, $3) AND ($4::text IS NULL OR o.scope < $4)
ORDER BY o.scope, o.procedure, o.key LIMIT $5::integer`,
  );

// In:     $1 operation ids, $2 actor, $3 trace id, $4 reason, $5 outcome of a completed one, $6 of a failed one,
//         $7 fingerprint.
// Out:    the ids of the settled ones, and whether they were purged now: if not, they had been before.
// Atomic: tombstones, steps, progress, evidence and the audit rows. Decisions hold nothing of a person and stay. Waits for rows that are being written, in order: two purges at
//         once can't deadlock. Unsettled ones stay. Refusals are kept and counted, only what they brought is erased;
//         those that differed in nothing else become one row.
export const purge = (s: string) =>
  statement(
    'purge',
    `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
target AS MATERIALIZED (
  SELECT o.operation_id FROM ${s}.operation o
  WHERE o.operation_id = ANY ($1::text[]) AND o.state IN ('completed', 'failed')
  ORDER BY o.operation_id
  FOR NO KEY UPDATE OF o
),
purged AS (
  UPDATE ${s}.operation t SET
    outcome = CASE t.state::text WHEN 'completed' THEN $5 ELSE $6 END, fingerprint = $7
  FROM target
  WHERE t.operation_id = target.operation_id AND t.fingerprint <> $7
  RETURNING t.operation_id
),
no_steps AS (DELETE FROM ${s}.step c USING target WHERE c.operation_id = target.operation_id),
no_progress AS (DELETE FROM ${s}.progress c USING target WHERE c.operation_id = target.operation_id),
erased AS (
  DELETE FROM ${s}.rejected_transition c USING target
  WHERE c.operation_id = target.operation_id AND c.evidence <> ''
  RETURNING c.*
),
still_counted AS (
  INSERT INTO ${s}.rejected_transition AS r (operation_id, stored_state, stored_attempt, attempted_state,
    attempted_attempt, actor, trace_id, count, first_at, last_at)
  SELECT operation_id, stored_state, stored_attempt, attempted_state, attempted_attempt, actor, max(trace_id),
    sum(count)::integer, min(first_at), max(last_at)
  FROM erased GROUP BY 1, 2, 3, 4, 5, 6
  ON CONFLICT ON CONSTRAINT rejected_transition_once
    DO UPDATE SET count = r.count + excluded.count, last_at = greatest(r.last_at, excluded.last_at)
),
logged AS (
  INSERT INTO ${s}.purge (operation_id, at, actor, trace_id, reason)
  SELECT operation_id, now, $2, $3, $4 FROM purged, clock
  ON CONFLICT DO NOTHING
)
SELECT t.operation_id, p.operation_id IS NOT NULL
FROM target t LEFT JOIN purged p ON p.operation_id = t.operation_id`,
  );

// In:     $1 operation id.
// Out:    at, actor, reason, trace id; no row if nobody purged it.
// Atomic: one read.
export const purged = (s: string) =>
  statement(
    'purged',
    `SELECT ${epochMs('at')}, actor, reason, trace_id FROM ${s}.purge WHERE operation_id = $1`,
  );
