import type { IdempotencyProblem } from '@semel/contract/v1/pure';
import { problemRow } from '@semel/contract/v1/pure';

const BRAND = Symbol.for('semel.idempotency-error');

/**
 * A refusal of the engine as an error: `problem` is what goes on the wire, `cause` is for logs and never does.
 * Recognise it with {@link isIdempotencyError}, also across two copies of this package.
 */
export class IdempotencyError extends Error {
  override readonly name = 'IdempotencyError';
  readonly [BRAND] = true;
  readonly problem: IdempotencyProblem;
  constructor(
    problem: IdempotencyProblem,
    options: { readonly reason?: string | undefined; readonly cause?: unknown } = {},
  ) {
    const reason = options.reason ?? problemRow(problem.code).title;
    super(`${problem.code}: ${reason}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.problem = problem;
  }

  get code(): IdempotencyProblem['code'] {
    return this.problem.code;
  }
}

export const isIdempotencyError = (value: unknown): value is IdempotencyError =>
  typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
