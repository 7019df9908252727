// In:     $1 operation id, $2 owner, $3 attempt, $4 name, $5 kind, $6 fingerprint, $7 result,
//         for `recordStepInTransaction` also $8 epoch, $9 transaction id.
// Out:    `recordStep`: whether the attempt holds the operation. `recordStepInTransaction`: raises if it doesn't, or
//         if a step of that name exists: the effects of this transaction would be a second time.
// Atomic: guard and step. FOR SHARE holds off a takeover until this commits, and not the sibling steps.
import { RAISED } from '../connections/failures.ts';
import { CLOCK, sameTransaction, statement } from './statement.ts';

const recorded = (s: string, guard: string) => `
WITH held AS MATERIALIZED (
  SELECT o.operation_id FROM ${s}.operation o
  WHERE o.operation_id = $1 AND o.state = 'processing' AND o.owner = $2 AND o.attempt = $3::integer ${guard}
  FOR SHARE
),
written AS (
  INSERT INTO ${s}.step (operation_id, name, kind, fingerprint, result, attempt, at)
  SELECT operation_id, $4, $5, $6, $7, $3::integer, ${CLOCK} FROM held
  ON CONFLICT DO NOTHING
  RETURNING name
)`;

export const recordStep = (s: string) =>
  statement('record_step', `${recorded(s, '')} SELECT EXISTS (SELECT FROM held)`);

export const recordStepInTransaction = (s: string) =>
  statement(
    'record_step_in_transaction',
    `${recorded(s, 'AND o.epoch = $8::integer')}
SELECT ${sameTransaction(s, '$9', RAISED.transactionEnded)},
  ${s}.require((SELECT count(*) FROM held) = 1, '${RAISED.overtaken}'),
  ${s}.require((SELECT count(*) FROM written) = 1, '${RAISED.stepExists}')`,
  );
