// In:     $1 operation id, $2 attempts to grant, $3 actor, $4 reason, $5 trace id, $6 token, $7 version as seen, or null.
// Out:    the record as accepted (with its identity); no row if this isn't possible, or if somebody else is deciding.
// Atomic: record, transition, decision and work, in a transaction that goes on with the job. The attempt grows, so that
//         whoever still runs an old one is refused. The trigger takes it off what waits.
import { SIGHTING_WITH_IDENTITY } from './record.ts';
import { CLOCK, statement } from './statement.ts';

export const redrive = (s: string) =>
  statement(
    'redrive',
    `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
old AS MATERIALIZED (
  SELECT o.operation_id, o.state AS from_state FROM ${s}.operation o, clock
  WHERE o.operation_id = $1 AND o.mode = 'queued' AND o.state IN ('suspended', 'dead')
    AND ($7::integer IS NULL OR o.version = $7::integer)
    AND o.first_claimed_at + o.downstream_window_ms * interval '1 millisecond' > now
  FOR NO KEY UPDATE OF o SKIP LOCKED
),
o AS (
  UPDATE ${s}.operation t SET
    state = 'accepted', attempt = t.attempt + 1, max_attempts = t.attempt + 1 + $2::integer, version = t.version + 1,
    updated_at = now
  FROM old, clock
  WHERE t.operation_id = old.operation_id
  RETURNING t.*, old.from_state
),
logged AS (
  INSERT INTO ${s}.transition (operation_id, seq, from_state, to_state, attempt, cause, at, actor, trace_id)
  SELECT operation_id, version, from_state, 'accepted', attempt, 'redriven', updated_at, $3, $5 FROM o
),
decided AS (
  INSERT INTO ${s}.decision (operation_id, seq, action, at, actor, reason, trace_id, token)
  SELECT operation_id, version, 'redriven', updated_at, $3, $4, $5, $6 FROM o
),
due AS (UPDATE ${s}.work w SET due_at = o.updated_at FROM o WHERE w.operation_id = o.operation_id)
SELECT ${SIGHTING_WITH_IDENTITY} FROM o`,
  );
