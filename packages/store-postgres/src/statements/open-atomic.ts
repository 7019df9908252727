// In:     $1 time limit in milliseconds, $2 marker, $3 lock: a bigint made from the identity.
// Out:    in the fourth column whether the lock was got. Held by somebody else: their record is invisible yet.
// Atomic: settings and lock end with the transaction. The record is read by a statement of its own after this one:
//         within one statement it would be read in the snapshot from before the lock. The lock only saves time;
//         the unique constraint decides.
import { statement } from './statement.ts';

export const openAtomic = () =>
  statement(
    'open_atomic',
    `SELECT set_config('statement_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $1, true),
  set_config('semel.marker', $2, true), pg_try_advisory_xact_lock($3::bigint)`,
  );

/** The same lock, waited for: $1 lock_timeout in milliseconds, $2 lock. For finding out what became of a COMMIT. */
export const setLockTimeout = () =>
  statement('set_lock_timeout', `SELECT set_config('lock_timeout', $1, true)`);
export const awaitAtomic = () => statement('await_atomic', 'SELECT pg_advisory_xact_lock($1::bigint)');
