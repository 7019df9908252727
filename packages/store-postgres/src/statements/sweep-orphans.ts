// The orphan sweep walks what was claimed, in order, from a stored cursor. What it passed while still processing it
// keeps as stragglers. So a sweep costs the new rows and the live ones, however many settled ones there are, and no
// index has to name state or lease_until.
import { CLOCK, statement } from './statement.ts';

// In:     nothing.
// Out:    cursor and stragglers; no row while another server sweeps.
// Atomic: holds the sweep's row until the transaction ends.
export const orphanCursor = (s: string) =>
  statement(
    'orphan_cursor',
    `SELECT cursor_at::text, cursor_id, to_json(stragglers)::text FROM ${s}.sweep WHERE name = 'orphans' FOR UPDATE SKIP LOCKED`,
  );

// In:     $1 and $2 cursor, $3 limit.
// Out:    operation id, claimed_at, whether it is still processing, whether the cursor may pass it; in order.
// Atomic: one read. The cursor stays a minute behind the clock: a claim is given its time before it is committed, and
//         one that became visible late must not lie behind the cursor. Younger rows are looked at every time.
export const claimedAfter = (s: string) =>
  statement(
    'claimed_after',
    `SELECT o.operation_id, o.claimed_at::text, o.state = 'processing',
  o.claimed_at < clock_timestamp() - interval '1 minute'
FROM ${s}.operation o
WHERE o.mode <> 'atomic' AND (o.claimed_at, o.operation_id) > ($1::timestamptz, $2)
ORDER BY o.claimed_at, o.operation_id
LIMIT $3::integer`,
  );

// In:     $1 operation ids, $2 actor, $3 trace id.
// Out:    operation id, procedure, scope, key, attempt, state and dead letter owner of those that were suspended, or are dead.
// Atomic: records and transitions. Judged by the record: onCrash, attempts, downstream window; a queued one that is only out
//         of attempts is dead. A row that is locked is being settled or taken over, and is left to the next sweep.
export const suspendOrphans = (s: string) =>
  statement(
    'suspend_orphans',
    `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
orphan AS (
  SELECT o.operation_id,
    CASE WHEN o.mode = 'queued' AND o.on_crash = 'resume'
      AND o.first_claimed_at + o.downstream_window_ms * interval '1 millisecond' > now
      THEN 'dead' ELSE 'suspended' END AS end_state
  FROM ${s}.operation o, clock
  WHERE o.operation_id = ANY ($1::text[]) AND o.state = 'processing' AND o.lease_until <= now
    AND (o.on_crash = 'suspend' OR o.attempt >= o.max_attempts
      OR o.first_claimed_at + o.downstream_window_ms * interval '1 millisecond' <= now)
  ORDER BY o.operation_id
  FOR UPDATE OF o SKIP LOCKED
),
suspended AS (
  UPDATE ${s}.operation t SET state = end_state, version = t.version + 1, updated_at = now, lease_until = NULL
  FROM orphan, clock
  WHERE t.operation_id = orphan.operation_id
  RETURNING t.operation_id, t.procedure, t.scope, t.key, t.version, t.attempt, t.updated_at, end_state
),
logged AS (
  INSERT INTO ${s}.transition (operation_id, seq, from_state, to_state, attempt, cause, at, actor, trace_id)
  SELECT operation_id, version, 'processing', end_state, attempt,
    CASE end_state WHEN 'dead' THEN 'exhausted' ELSE 'outcome_unknown' END, updated_at, $2, $3
  FROM suspended
)
SELECT t.operation_id, t.procedure, t.scope, t.key, t.attempt, t.end_state, w.dead_letter_owner
FROM suspended t LEFT JOIN ${s}.work w ON w.operation_id = t.operation_id`,
  );

// In:     $1 and $2 cursor, $3 ids that were passed while processing.
// Out:    nothing.
// Atomic: the cursor, and as stragglers those of $3 that are still processing (and weren't taken over since: those
//         were claimed after the cursor and will be met again).
export const passOrphans = (s: string) =>
  statement(
    'pass_orphans',
    `UPDATE ${s}.sweep SET cursor_at = $1::timestamptz, cursor_id = $2, stragglers = ARRAY (
  SELECT o.operation_id FROM ${s}.operation o
  WHERE o.operation_id = ANY ($3::text[]) AND o.state = 'processing'
    AND (o.claimed_at, o.operation_id) <= ($1::timestamptz, $2)
) WHERE name = 'orphans'`,
  );
