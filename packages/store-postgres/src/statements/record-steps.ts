// In:     $1 operation ids, $2 owners, $3 attempts, $4 names, $5 kinds, $6 fingerprints, $7 results: arrays of one length.
// Out:    position (from 1) of those whose attempt holds its operation. Not among them: overtaken, or locked by
//         somebody: ask for those alone.
// Atomic: all guards and steps, one commit. FOR SHARE holds off takeovers until this commits, and not sibling steps.
//         SKIP LOCKED: see settle-many.ts.
import { CLOCK, statement } from './statement.ts';

export const recordSteps = (s: string) =>
  statement(
    'record_steps',
    `WITH held AS MATERIALIZED (
  SELECT w.* FROM unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[])
    WITH ORDINALITY AS w (operation_id, owner, attempt, name, kind, fingerprint, result, position)
  CROSS JOIN LATERAL (
    SELECT FROM ${s}.operation o
    WHERE o.operation_id = w.operation_id AND o.owner = w.owner AND o.attempt = w.attempt AND o.state = 'processing'
    FOR SHARE SKIP LOCKED
  ) o
),
written AS (
  INSERT INTO ${s}.step (operation_id, name, kind, fingerprint, result, attempt, at)
  SELECT operation_id, name, kind, fingerprint, result, attempt, ${CLOCK} FROM held
  ORDER BY operation_id, name, position
  ON CONFLICT DO NOTHING
)
SELECT position::integer FROM held`,
  );
