// In:     $1 time limit in milliseconds, $2 lock: a bigint made from the identity, $3 scope, $4 procedure, $5 key.
// Out:    one text, see the migration; null when the lock is held by somebody else: their record is invisible yet.
// Atomic: settings and lock end with the transaction. The record is read under the lock. The lock only saves time; the
//         unique constraint decides.
import { RAISED } from '../connections/failures.ts';
import { isCommitted, statement } from './statement.ts';

export const openAtomic = (s: string) =>
  statement(
    'open_atomic',
    `SELECT ${s}.open_atomic($2::bigint, $3, $4, $5,
  set_config('statement_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $1, true))`,
  );

/** The same lock, waited for: $1 lock_timeout in milliseconds, $2 lock. For finding out what became of a COMMIT. */
export const setLockTimeout = () =>
  statement('set_lock_timeout', `SELECT set_config('lock_timeout', $1, true)`);
export const awaitAtomic = () => statement('await_atomic', 'SELECT pg_advisory_xact_lock($1::bigint)');

/**
 * The same again, after a ROLLBACK: $1 lock, $2 id of the transaction that was rolled back. Raises if it wasn't, because the
 * handler had committed it itself, and if somebody else has come between.
 */
export const requireLock = (s: string) =>
  statement(
    'require_lock',
    `SELECT ${s}.require(NOT ${isCommitted('$2')}, '${RAISED.transactionEnded}'),
  ${s}.require(pg_try_advisory_xact_lock($1::bigint), '${RAISED.lockTaken}')`,
  );
