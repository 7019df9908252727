// In:     $1 operation id.
// Out:    seq, from, to, attempt, at, cause, actor, trace id; oldest first.
// Atomic: one read. The first transition is in the row that it made: while that is the only one, the row's state is
//         where it led; an operation with a second one was claimed first, or enqueued.
import { epochMs, statement } from './statement.ts';

export const history = (s: string) =>
  statement(
    'history',
    `SELECT 1 AS seq, NULL AS from_state, first.to_state,
  CASE first.to_state WHEN 'accepted' THEN 0 ELSE 1 END AS attempt, ${epochMs('o.created_at')},
  CASE first.to_state WHEN 'processing' THEN 'claimed' WHEN 'accepted' THEN 'enqueued'
    WHEN 'completed' THEN 'succeeded' ELSE 'failed' END,
  o.first_actor, o.first_trace_id
FROM ${s}.operation o, LATERAL (
  SELECT CASE WHEN o.version = 1 THEN o.state::text WHEN o.mode = 'queued' THEN 'accepted' ELSE 'processing' END AS to_state
) first
WHERE o.operation_id = $1
UNION ALL
SELECT seq, from_state, to_state, attempt, ${epochMs('at')}, cause, actor, trace_id
FROM ${s}.transition WHERE operation_id = $1
ORDER BY seq`,
  );
