import { RAISED } from '../connections/failures.ts';
import { epochMs, sameTransaction, statement } from './statement.ts';

// In:     $1 operation id.
// Out:    seq, action, at, actor, reason, trace id; in order.
// Atomic: one read.
export const decisions = (s: string) =>
  statement(
    'decisions',
    `SELECT seq, action, ${epochMs('at')}, actor, reason, trace_id FROM ${s}.decision WHERE operation_id = $1 ORDER BY seq`,
  );

// In:     $1 operation id, $2 token.
// Out:    one row if the call that made this token has decided.
// Atomic: one read.
export const decidedBy = (s: string) =>
  statement('decided_by', `SELECT seq FROM ${s}.decision WHERE operation_id = $1 AND token = $2`);

// In:     $1 operation id.
// Out:    nothing that matters.
// Atomic: waits (under the caller's lock_timeout) for the transaction that has the record locked; when it is got, that one
//         is over, late packets included.
export const awaitDecision = (s: string) =>
  statement('await_decision', `SELECT FROM ${s}.operation o WHERE o.operation_id = $1 FOR NO KEY UPDATE`);

// In:     $1 transaction id.
// Out:    raises if this is another transaction: somebody's code has ended it.
// Atomic: the last statement before COMMIT of a transaction whose guards were in its first flight, and which has held
//         the row since.
export const requireTransaction = (s: string) =>
  statement('require_transaction', `SELECT ${sameTransaction(s, '$1', RAISED.transactionEnded)}`);
