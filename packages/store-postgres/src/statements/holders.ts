// In:     $1 operation ids, $2 owners, $3 attempts: arrays of one length.
// Out:    operation id and attempt of those that still hold theirs.
// Atomic: one read; rows that are locked are read as they were committed.
import { statement } from './statement.ts';

export const holders = (s: string) =>
  statement(
    'holders',
    `SELECT o.operation_id, o.attempt FROM ${s}.operation o
JOIN unnest($1::text[], $2::text[], $3::integer[]) AS w (operation_id, owner, attempt)
  ON o.operation_id = w.operation_id AND o.owner = w.owner AND o.attempt = w.attempt
WHERE o.state = 'processing'`,
  );
