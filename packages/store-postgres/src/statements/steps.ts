// In:     $1 operation id.
// Out:    name, kind, fingerprint, result, attempt of each recovery point, by name.
// Atomic: one read.
import { statement } from './statement.ts';

export const steps = (s: string) =>
  statement(
    'steps',
    `SELECT name, kind, fingerprint, result, attempt FROM ${s}.step WHERE operation_id = $1 ORDER BY name`,
  );
