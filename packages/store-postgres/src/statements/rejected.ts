// In:     $1 operation id.
// Out:    its refused transitions, oldest first.
// Atomic: one read.
import { epochMs, statement } from './statement.ts';

export const rejected = (s: string) =>
  statement(
    'rejected',
    `SELECT operation_id, stored_state, stored_attempt, attempted_state, attempted_attempt, actor, trace_id, evidence,
  count, ${epochMs('first_at')}, ${epochMs('last_at')}
FROM ${s}.rejected_transition WHERE operation_id = $1 ORDER BY first_at, attempted_attempt`,
  );
