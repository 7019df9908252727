// In:     $1 operation id.
// Out:    the record with its identity, or no row.
// Atomic: one read.
import { SIGHTING_WITH_IDENTITY } from './record.ts';
import { statement } from './statement.ts';

export const find = (s: string) =>
  statement('find', `SELECT ${SIGHTING_WITH_IDENTITY} FROM ${s}.operation o WHERE o.operation_id = $1`);
