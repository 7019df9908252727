// What waits is walked through the small tables that hold nothing else, and each operation is looked up by its id. OFFSET 0
// keeps the planner to that: a join planned while the table was nearly empty would go on to scan all of it.
import { SIGHTING_WITH_IDENTITY } from './record.ts';
import { CLOCK, epochMs, statement } from './statement.ts';

const operationOf = (s: string, row: string, columns: string) =>
  `CROSS JOIN LATERAL (SELECT ${columns} FROM ${s}.operation o WHERE o.operation_id = ${row}.operation_id OFFSET 0) o`;

// In:     $1 limit, $2 grace in milliseconds, $3 and $4 due (epoch milliseconds) and operation id of the last one of the page before,
//         or null.
// Out:    operation id, scope, procedure, state, version, due; those due longest first.
// Atomic: one read, along the index of what is due.
export const stranded = (s: string) =>
  statement(
    'stranded',
    `SELECT o.operation_id, o.scope, o.procedure, o.state, o.version, ${epochMs('w.due_at')}
FROM (SELECT ${CLOCK} AS now OFFSET 0) clock CROSS JOIN ${s}.work w
${operationOf(s, 'w', '*')}
WHERE w.due_at <= statement_timestamp()
  AND (w.due_at, w.operation_id) > (coalesce(to_timestamp($3::float8 / 1000), '-infinity'), coalesce($4::text, ''))
  AND (
  o.state = 'accepted' AND w.due_at + $2::float8 * interval '1 millisecond' <= now
  OR o.state = 'processing' AND o.lease_until <= now AND o.on_crash = 'resume' AND o.attempt < o.max_attempts
    AND o.first_claimed_at + o.downstream_window_ms * interval '1 millisecond' > now)
ORDER BY w.due_at, w.operation_id
LIMIT $1::integer`,
  );

// In:     nothing.
// Out:    procedure, state, count, age of the oldest in milliseconds.
// Atomic: one read. What is settled is in neither table.
export const backlog = (s: string) =>
  statement(
    'backlog',
    `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now)
SELECT procedure, state, count(*)::integer, greatest(0, max(${epochMs('now')} - ${epochMs('since')})) FROM (
  SELECT o.procedure, o.state::text, CASE o.state::text WHEN 'accepted' THEN w.due_at ELSE o.updated_at END AS since
  FROM ${s}.work w ${operationOf(s, 'w', 'o.procedure, o.state, o.updated_at')}
  WHERE o.state IN ('accepted', 'processing')
  UNION ALL
  SELECT o.procedure, o.state::text, a.since
  FROM ${s}.attention a ${operationOf(s, 'a', 'o.procedure, o.state')}
  WHERE o.state IN ('suspended', 'dead')
) waits, clock
GROUP BY procedure, state ORDER BY procedure, state`,
  );

// In:     $1 limit, $2 how long an offer stands, in milliseconds, $3 procedures, or null for all.
// Out:    the records (with their identities): what was never offered first, then what was so longest ago; the oldest first.
// Atomic: marked as offered. SKIP LOCKED: of many servers at once each is offered others. Asked again after a lost
//         acknowledgement it offers the next ones; the lost ones come up again in their time.
export const offer = (s: string) =>
  statement(
    'offer',
    `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
next AS MATERIALIZED (
  SELECT a.operation_id FROM ${s}.attention a ${operationOf(s, 'a', 'o.procedure')}
  WHERE a.offered_at <= statement_timestamp() - $2::float8 * interval '1 millisecond'
    AND ($3::text[] IS NULL OR o.procedure = ANY ($3::text[]))
  ORDER BY a.offered_at, a.since, a.operation_id
  LIMIT $1::integer
  FOR UPDATE OF a SKIP LOCKED
),
offered AS (
  UPDATE ${s}.attention a SET offered_at = now FROM next, clock WHERE a.operation_id = next.operation_id
  RETURNING a.operation_id, a.since
)
SELECT ${SIGHTING_WITH_IDENTITY} FROM offered ${operationOf(s, 'offered', '*')}
WHERE o.state IN ('suspended', 'dead')
ORDER BY offered.since, offered.operation_id`,
  );

// In:     $1 operation id.
// Out:    when it was last offered to its resolver since it waits, or null; what its last attempt said, or null; no row if it
//         doesn't wait.
// Atomic: one read.
export const undecided = (s: string) =>
  statement(
    'undecided',
    `SELECT CASE WHEN isfinite(a.offered_at) THEN ${epochMs('a.offered_at')} END, a.last_error
FROM ${s}.attention a WHERE a.operation_id = $1`,
  );
