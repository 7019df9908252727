const BRAND = Symbol.for('semel.refusal');

/**
 * A final "no" declared by the handler (`operation.refuse(error)`): stored as `failed` and replayed.
 * Thrown, it rolls the running transaction's effects back; returned from `operation.settle` (or from an atomic
 * handler), it commits them together with the stored failure.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly [BRAND] = true;
  /** What the caller is to see. */
  readonly error: unknown;
  constructor(error: unknown) {
    super('The handler refused the operation', { cause: error });
    this.error = error;
  }
}

/** Also across two copies of this package in one process. */
export const isRefusal = (value: unknown): value is Refusal =>
  typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
