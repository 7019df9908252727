import type { Refusal } from './refusal.ts';

/**
 * What a handler gets as `ctx.operation`: the way to make its effects part of the operation.
 *
 * @typeParam Tx the store's transaction handle (for Postgres a `pg` client inside the transaction).
 */
export interface Operation<Tx = unknown> {
  /** Random; safe to show to the caller and to log. */
  readonly id: string;
  readonly scope: string;
  readonly procedure: string;
  readonly key: string;
  /** Counts from 1; a later attempt has a larger one (the fence). */
  readonly attempt: number;
  /** A queued procedure's handler runs as a leased one: `leased`. */
  readonly mode: 'atomic' | 'leased';
  /** Aborts when this attempt is overtaken or ran too long. A caller that hangs up does **not** abort it. */
  readonly signal: AbortSignal;

  /**
   * Atomic mode: everything written through it commits together with the stored outcome, or not at all.
   * Don't COMMIT or ROLLBACK it yourself (that is caught, and refused), don't use it after the handler returned.
   * @throws OperationMisuse in leased mode
   */
  readonly tx: Tx;

  /**
   * Leased mode: one call to the outside, and a recovery point. Its result is recorded, and a later attempt gets
   * the recorded result without calling again. If the process dies between the call and the record, a later attempt
   * calls again **under the same child key**: hand it to the other side as its idempotency key.
   *
   * A step that throws leaves unknown what happened, unless it throws `operation.refuse(error)` (the other side said no).
   * Starts only within the policy's `downstreamWindowMs` of the first claim.
   *
   * @param options.input what the step is about to send: a later attempt that would send something else is suspended
   * @throws OperationMisuse for a name used twice in one attempt, or in atomic mode
   */
  step<T>(name: string, body: (childKey: string) => Promise<T>): Promise<T>;
  step<T>(
    name: string,
    options: { readonly input: unknown },
    body: (childKey: string) => Promise<T>,
  ): Promise<T>;

  /** Leased mode: a database transaction that is a recovery point: body and record commit together. A later attempt gets the recorded value. */
  transaction<T>(name: string, body: (tx: Tx) => Promise<T>): Promise<T>;

  /**
   * Leased mode: the one transaction that also stores the outcome. What `body` returns (through the output parser)
   * is what this and every later caller gets. Returning `operation.refuse(error)` commits with a stored failure.
   */
  settle<T>(body: (tx: Tx) => Promise<T | Refusal>): Promise<T>;

  /** A final "no": throw it to roll back, or return it from `settle` (or an atomic handler) to commit with it. */
  refuse(error: unknown): Refusal;

  /**
   * Leased and queued mode: how far it has come, for status answers and subscriptions, while it isn't settled. Plain JSON of at
   * most 16 KiB. Written at most once every half second, the last word winning; nothing waits for it, and what can't be written
   * is lost without a word: never keep in it what a later attempt needs (that is what steps are for).
   * @throws OperationMisuse for what isn't JSON or is too large, and in atomic mode, where nobody sees it before the commit
   */
  progress(value: unknown): void;

  /** The key this operation uses downstream under that name: the same on every attempt, another for every tenant. */
  childKey(step: string): string;
}
