// In:     $1 operation id.
// Out:    seq, from, to, attempt, at, cause, actor, trace id; oldest first.
// Atomic: one read.
import { epochMs, statement } from './statement.ts';

export const history = (s: string) =>
  statement(
    'history',
    `SELECT seq, from_state, to_state, attempt, ${epochMs('at')}, cause, actor, trace_id
FROM ${s}.transition WHERE operation_id = $1 ORDER BY seq`,
  );
