import { isRefusal } from './refusal.ts';

/** A final failure as callers get it. `shape` is the application's own error shape, with its types. */
export interface DescribedError {
  readonly httpStatus: number;
  readonly code: string;
  readonly message: string;
  readonly shape?: unknown;
}

/** How an adapter's errors are judged and written down. */
export interface FailureCodec {
  /** The HTTP status that the error would be answered with; `undefined` when it says none. */
  readonly statusOf: (error: unknown) => number | undefined;
  /** The error as later callers are to see it, without stack or secrets. */
  readonly describe: (error: unknown) => DescribedError | Promise<DescribedError>;
}

/** The status that an error says for itself, 400 to 599, as http-errors, Hono, Fastify and most others write it. */
export function statusSaidBy(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { status, statusCode } = error as { status?: unknown; statusCode?: unknown };
  return [status, statusCode].find(
    (said): said is number => typeof said === 'number' && said >= 400 && said <= 599,
  );
}

/** Statuses that say the request itself can't succeed: thrown by the resolver, they are final (WIRE.md, class 2). */
const FINAL_STATUS = new Set([400, 402, 403, 404, 409, 410, 422]);

export const isFinalStatus = (status: number): boolean => FINAL_STATUS.has(status);

export type FailureClass =
  /** Declared or recognised as final: stored, replayed. */
  | 'final'
  /** May well work next time: nothing is stored, the next attempt runs. */
  | 'transient';

/** The failure classes of the wire contract, as far as the error alone decides them. First match wins. */
export function classify(
  error: unknown,
  codec: FailureCodec,
  isFinal: ((error: unknown) => boolean) | undefined,
): FailureClass {
  if (isRefusal(error)) return 'final';
  if (isEngineError(error)) return 'transient';
  if (saysFinal(isFinal, error)) return 'final';
  const status = codec.statusOf(error);
  return status !== undefined && isFinalStatus(status) ? 'final' : 'transient';
}

/**
 * What a policy's `finalErrors` says. One that throws has said nothing: an error that it didn't expect must neither take the
 * place of the handler's own nor keep an attempt from being settled.
 */
export function saysFinal(isFinal: ((error: unknown) => boolean) | undefined, error: unknown): boolean {
  try {
    return isFinal?.(error) === true;
  } catch {
    return false;
  }
}

/** What the engine itself throws into a handler: never the handler's own verdict, so never final. */
export abstract class EngineError extends Error {}

/** This attempt no longer holds the operation. */
export class LeaseLost extends EngineError {
  override readonly name = 'LeaseLost';
  constructor() {
    super('lease_lost: another attempt holds this operation; nothing of this one was stored');
  }
}

/** What a commit did isn't known. The write that ends the attempt finds out: it is refused if the commit came through. */
export class CommitUnknown extends EngineError {
  override readonly name = 'CommitUnknown';
  constructor(cause: unknown) {
    super('outcome_unknown: a commit was sent and its answer was lost', { cause });
  }
}

/** Going on, now or later, could act twice: somebody has to decide. Suspends whatever the policy says. */
export class DecisionNeeded extends EngineError {
  override readonly name = 'DecisionNeeded';
  constructor(why: string, options?: ErrorOptions) {
    super(`outcome_unknown: ${why}`, options);
  }
}

/** Nothing new may be begun outside once the attempt's time is up: others may judge it dead by now. */
export class RanTooLong extends EngineError {
  override readonly name = 'RanTooLong';
  constructor(step: string, maxRunMs: number) {
    super(
      `'${step}' may not start any more: the attempt has run longer than its policy's maxRunMs (${maxRunMs} ms)`,
    );
  }
}

/** The handler used its operation in a way that can't keep the promise. Its message says what to do. */
export class OperationMisuse extends EngineError {
  override readonly name = 'OperationMisuse';
}

/** Adapters wrap what a handler throws: the engine's own errors are found along the chain of causes. */
export function engineErrorIn(error: unknown): EngineError | undefined {
  for (let depth = 0, e = error; depth < 6 && e instanceof Error; depth++, e = e.cause) {
    if (e instanceof EngineError) return e;
  }
  return undefined;
}

const isEngineError = (error: unknown): boolean => engineErrorIn(error) !== undefined;
