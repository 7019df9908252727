import { StoreUnavailable } from '@semel/server/store';

/** Raised by the store's own statements (function `require` and trigger of the first migration). */
export const RAISED = {
  overtaken: 'SM001',
  transactionEnded: 'SM002',
  stepExists: 'SM003',
  // SM004 is the migration's: history is append-only.
  lockTaken: 'SM005',
} as const;

/** The SQLSTATE of an error that Postgres reported, else undefined. */
export function sqlState(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error) || !('severity' in error)) {
    return undefined;
  }
  const { code } = error;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/**
 * The connection is gone or useless, so what was asked on it may have happened or not. Everything that isn't an
 * answer of Postgres about the statement counts, and the answers with which it says goodbye.
 */
export function isConnectionLoss(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return false; // a value that pg can't send
  const state = sqlState(error);
  if (state === undefined) return true;
  return state.startsWith('08') || GOODBYES.has(state);
}

const GOODBYES: ReadonlySet<string> = new Set([
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P04', // database_dropped
  '57P05', // idle_session_timeout
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
]);

/** Connected to a server that became a replica: nothing was written, and a new connection may find the primary. */
export function isReadOnly(error: unknown): boolean {
  return hasState(error, '25006');
}

/**
 * A prepared statement that this connection believes in is gone or of another form (a handler's DEALLOCATE or DISCARD, a
 * migration): everybody after it would fail the same way.
 */
export function isSpoilt(error: unknown): boolean {
  return hasState(error, '26000') || hasState(error, '0A000');
}

/** What was asked has to be asked on another connection. Only where the connection was lost may it have happened. */
export function isUseless(error: unknown): boolean {
  return isConnectionLoss(error) || isReadOnly(error) || isSpoilt(error);
}

/** Serialization failure or deadlock. */
export function isRetryable(error: unknown): boolean {
  return hasState(error, '40001') || hasState(error, '40P01');
}

/** Also when a handler's library wrapped it. */
function hasState(error: unknown, state: string): boolean {
  for (let cause = error, depth = 0; cause !== undefined && cause !== null && depth < 10; depth++) {
    if (sqlState(cause) === state) return true;
    cause = typeof cause === 'object' && 'cause' in cause ? cause.cause : undefined;
  }
  return false;
}

/** Two transactions made the same identity: the unique constraint decided, not this one. */
export function isIdentityTaken(error: unknown): boolean {
  return (
    sqlState(error) === '23505' &&
    typeof error === 'object' &&
    error !== null &&
    'constraint' in error &&
    error.constraint === 'operation_identity'
  );
}

export function unavailable(cause: unknown): StoreUnavailable {
  return cause instanceof StoreUnavailable ? cause : new StoreUnavailable(undefined, { cause });
}

/** What Postgres says about the store's own statements is for logs: its names and its SQL are no caller's business. */
export function explained(error: unknown): unknown {
  const state = sqlState(error);
  if (state === undefined) return error;
  // A missing schema, table, function or column almost always means one thing.
  if (!['3F000', '42P01', '42883', '42703'].includes(state)) {
    return new Error('The store of record refused a statement', { cause: error });
  }
  return new Error('The schema of the store is missing or old: call migratePostgres() before serving', {
    cause: error,
  });
}

/** What callers get when nothing was written and asking again didn't help, or isn't for the store to do. */
export function refused(error: unknown): unknown {
  return isConnectionLoss(error) || isReadOnly(error) || isRetryable(error)
    ? unavailable(error)
    : explained(error);
}
