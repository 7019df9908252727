// The ends of an attempt that leave word of what went wrong. They aren't batched: they are rare, and change two rows.
//
// In:     $1 operation id, $2 owner, $3 attempt, $4 last error, $5 actor, $6 trace id, for `reschedule…` also $7 delay in
//         milliseconds, $8 attempts by which the limit grows; then for `…InTransaction` epoch and transaction id.
// Out:    `reschedule`, `exhaust`, `suspend`: one row, or none if the attempt doesn't hold the operation (any more).
//         `…InTransaction`: raises otherwise.
// Atomic: record, transition and word. HOT: nothing that an index of `operation` names is touched.
import { RAISED } from '../connections/failures.ts';
import { CLOCK, sameTransaction, statement } from './statement.ts';

interface End {
  readonly state: 'accepted' | 'dead' | 'suspended';
  readonly cause: 'rescheduled' | 'exhausted' | 'outcome_unknown';
  readonly record?: string;
  readonly work: string;
}

const RESCHEDULED: End = {
  state: 'accepted',
  cause: 'rescheduled',
  record: ', max_attempts = t.max_attempts + $8::integer',
  work: `last_error = $4, due_at = ended.updated_at + $7::float8 * interval '1 millisecond'`,
};
const EXHAUSTED: End = { state: 'dead', cause: 'exhausted', work: 'last_error = $4' };
const SUSPENDED: End = { state: 'suspended', cause: 'outcome_unknown', work: 'last_error = $4' };

/** What waits for a decision, with its word. The table's trigger, which comes later, leaves a row that is there. */
const waiting = (s: string) => `,
waiting AS (
  INSERT INTO ${s}.attention (operation_id, since, last_error) SELECT operation_id, updated_at, $4 FROM ended
  ON CONFLICT (operation_id) DO UPDATE SET last_error = excluded.last_error
)`;

const ended = (s: string, { state, cause, record = '', work }: End, guard: string) => `
WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now),
ended AS (
  UPDATE ${s}.operation t SET state = '${state}', version = t.version + 1, updated_at = now, lease_until = NULL${record}
  FROM clock
  WHERE t.operation_id = $1 AND t.state = 'processing' AND t.owner = $2 AND t.attempt = $3::integer
    ${state === 'suspended' ? '' : `AND t.mode = 'queued'`} ${guard}
  RETURNING t.operation_id, t.version, t.attempt, t.updated_at
),
logged AS (
  INSERT INTO ${s}.transition (operation_id, seq, from_state, to_state, attempt, cause, at, actor, trace_id)
  SELECT operation_id, version, 'processing', '${state}', attempt, '${cause}', updated_at, $5, $6 FROM ended
),
noted AS (UPDATE ${s}.work w SET ${work} FROM ended WHERE w.operation_id = ended.operation_id)${state === 'accepted' ? '' : waiting(s)}`;

const inTransaction = (s: string, name: string, end: End, epoch: string, transactionId: string) =>
  statement(
    name,
    `${ended(s, end, `AND t.epoch = ${epoch}::integer`)}
SELECT ${sameTransaction(s, transactionId, RAISED.transactionEnded)},
  ${s}.require((SELECT count(*) FROM ended) = 1, '${RAISED.overtaken}')`,
  );

export const reschedule = (s: string) =>
  statement('reschedule', `${ended(s, RESCHEDULED, '')} SELECT version FROM ended`);
export const exhaust = (s: string) =>
  statement('exhaust', `${ended(s, EXHAUSTED, '')} SELECT version FROM ended`);
export const suspend = (s: string) =>
  statement('suspend', `${ended(s, SUSPENDED, '')} SELECT version FROM ended`);

// In:     $1 operation id, $2 last error.
// Out:    nothing.
// Atomic: one row, and only where nobody has left word yet.
export const leaveWord = (s: string) =>
  statement(
    'leave_word',
    `UPDATE ${s}.attention SET last_error = $2 WHERE operation_id = $1 AND last_error IS NULL`,
  );

/** The last statement before COMMIT, as `settleInTransaction` is. */
export const rescheduleInTransaction = (s: string) =>
  inTransaction(s, 'reschedule_in_transaction', RESCHEDULED, '$9', '$10');
export const exhaustInTransaction = (s: string) =>
  inTransaction(s, 'exhaust_in_transaction', EXHAUSTED, '$7', '$8');
export const suspendInTransaction = (s: string) =>
  inTransaction(s, 'suspend_in_transaction', SUSPENDED, '$7', '$8');
