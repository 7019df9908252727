import type { AcceptedBody, IdempotencyKey, IdempotencyProblem } from '@semel/contract/v1/pure';
import type { Outcome, UnknownReason } from '../outcome.ts';
import type { Start } from './within.ts';

/** How a delivery ended. */
export interface Delivered<T> {
  outcome: Outcome<unknown>;
  /** The transport's answer, where that is what the caller is to get. */
  value?: T;
}

/** One call, as a transport offers it. */
export interface Call<T> {
  /** Sends it once more, synchronously, with the key (and its age) on it. */
  attempt(key: IdempotencyKey): Start<T>;
  /** Whether it may have left with its key. What leaves without one must not be sent twice. */
  keyed(): boolean;
  /** What marks this call where its answer says which calls were replayed. */
  place(): string | undefined;
  /** The handler's output and the replay mark. */
  read(value: T): { data: unknown; replayed: boolean | undefined };
  /** The 202 body in an answer. */
  accepted(value: T): AcceptedBody | undefined;
  /** Asks for the state of an accepted operation. */
  status(operationId: string): Start<unknown>;
}

/** It ended with an error: nobody knows what became of the action if something of it was `lost`, else nothing did. */
export const failed = (
  { key }: { key: string },
  lost: boolean,
  reason: UnknownReason,
  cause?: unknown,
  problem?: IdempotencyProblem,
): Delivered<never> => ({
  outcome: lost
    ? { status: 'unknown', reason, key, cause }
    : { status: 'rejected', error: cause, problem, key },
});
