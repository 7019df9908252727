import type { IdempotencyProblem } from '@semel/contract/v1/pure';

/**
 * Why nobody can say what became of an operation.
 * - `outcome_unknown`, `key_expired`, `outcome_gone`: the server said so.
 * - `network`, `timeout`, `server`: no definite answer came back, and trying again was given up.
 * - `aborted`: the caller gave up after something had been sent.
 * - `refused`: an earlier attempt was lost, and a later one was turned away at the door (401, 403, a proxy's page),
 *   which says nothing about the earlier one.
 */
export type UnknownReason =
  | 'outcome_unknown'
  | 'key_expired'
  | 'outcome_gone'
  | 'network'
  | 'timeout'
  | 'server'
  | 'aborted'
  | 'refused';

/**
 * What became of one user action.
 *
 * - `completed`: it happened, once. `replayed` is `undefined` where the carrier has no mark (streams, sockets).
 * - `accepted`: it is queued; `wait()` polls until it's settled.
 * - `in_flight`: another attempt was still running when waiting was given up. Ask again with the same `key`.
 * - `unknown`: it may have happened. Ask again with the same `key`; a new key could do it twice.
 * - `rejected`: the server refused it, or nothing was begun.
 */
export type Outcome<TData, TError = unknown> =
  | { status: 'completed'; data: TData; replayed: boolean | undefined; key: string | undefined }
  | {
      status: 'accepted';
      operationId: string;
      key: string;
      /** Polls until it's settled, within `accepted.deadlineMs`. */
      wait: () => Promise<Outcome<TData, TError>>;
    }
  | { status: 'in_flight'; retryAfterMs: number; key: string; cause: unknown }
  | { status: 'unknown'; reason: UnknownReason; key: string; cause: unknown }
  | { status: 'rejected'; error: TError; problem?: IdempotencyProblem | undefined; key: string | undefined };
