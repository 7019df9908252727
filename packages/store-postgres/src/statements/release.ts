// In:     $1 operation id, $2 actor, $3 reason, $4 trace id, $5 token, $6 version as seen, or null.
// Out:    the record as released (with its identity); no row if this isn't possible, or if somebody else is deciding.
// Atomic: record, its two transitions (resumed, released), decision and what waits.
import { SIGHTING_WITH_IDENTITY } from './record.ts';
import { CLOCK, statement } from './statement.ts';

export const release = (s: string) =>
  statement(
    'release',
    `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
old AS MATERIALIZED (
  SELECT o.operation_id FROM ${s}.operation o, clock
  WHERE o.operation_id = $1 AND o.mode = 'leased' AND o.state = 'suspended'
    AND ($6::integer IS NULL OR o.version = $6::integer)
    AND o.first_claimed_at + o.downstream_window_ms * interval '1 millisecond' > now
  FOR NO KEY UPDATE OF o SKIP LOCKED
),
o AS (
  UPDATE ${s}.operation t SET
    state = 'released', attempt = t.attempt + 1, version = t.version + 2, updated_at = now,
    expires_at = now + t.ttl_ms * interval '1 millisecond'
  FROM old, clock
  WHERE t.operation_id = old.operation_id
  RETURNING t.*
),
logged AS (
  INSERT INTO ${s}.transition (operation_id, seq, from_state, to_state, attempt, cause, at, actor, trace_id)
  SELECT operation_id, version + back, from_state, to_state, attempt, cause, updated_at, $2, $4
  FROM o, (VALUES (-1, 'suspended', 'processing', 'resumed'), (0, 'processing', 'released', 'released'))
    AS made (back, from_state, to_state, cause)
),
decided AS (
  INSERT INTO ${s}.decision (operation_id, seq, action, at, actor, reason, trace_id, token)
  SELECT operation_id, version - 1, 'released', updated_at, $2, $3, $4, $5 FROM o
),
waits_no_more AS (DELETE FROM ${s}.attention a USING o WHERE a.operation_id = o.operation_id)
SELECT ${SIGHTING_WITH_IDENTITY} FROM o`,
  );
