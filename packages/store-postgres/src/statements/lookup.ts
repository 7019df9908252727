// In:     $1 scope, $2 procedure, $3 key.
// Out:    the record, or no row.
// Atomic: one read. All that a replay costs: one index descent, no lock, no commit record.
import { SIGHTING } from './record.ts';
import { statement } from './statement.ts';

export const lookup = (s: string) =>
  statement(
    'lookup',
    `SELECT ${SIGHTING} FROM ${s}.operation o WHERE o.scope = $1 AND o.procedure = $2 AND o.key = $3`,
  );
