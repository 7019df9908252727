/** What a store throws: broken infrastructure, and broken callers. Everything else is a value. See the port, `port.ts`. */

const UNAVAILABLE = Symbol.for('semel.store-unavailable');

/** Also across two copies of this package in one process. */
export const isStoreUnavailable = (value: unknown): value is StoreUnavailable =>
  typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[UNAVAILABLE] === true;

/** The store could not be reached, and nothing was begun (or the read gave no answer). Answered as 503. */
export class StoreUnavailable extends Error {
  override readonly name: string = 'StoreUnavailable';
  readonly [UNAVAILABLE] = true;
  constructor(message = 'The store of record cannot be reached', options?: { cause?: unknown }) {
    super(`store_unavailable: ${message}`, options);
  }
}

const ENDED_BY_HANDLER = Symbol.for('semel.transaction-ended-by-handler');

/**
 * The body of a transaction sent COMMIT or ROLLBACK itself. What it committed is committed and has no record: whoever gets
 * this must not let the call run again.
 */
export class TransactionEndedByHandler extends Error {
  override readonly name: string = 'TransactionEndedByHandler';
  readonly [ENDED_BY_HANDLER] = true;
  constructor(options?: { cause?: unknown }) {
    super(
      'The handler ended the transaction itself (COMMIT or ROLLBACK): its effects and the record of the operation are no longer one.',
      options,
    );
  }
}

/** Also across two copies of this package in one process. */
export const isTransactionEndedByHandler = (value: unknown): value is TransactionEndedByHandler =>
  typeof value === 'object' &&
  value !== null &&
  (value as Record<symbol, unknown>)[ENDED_BY_HANDLER] === true;
