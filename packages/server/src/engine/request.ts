import type { IdempotencyProblem } from '@semel/contract/v1/pure';
import type { Trace } from '../store/port.ts';
import type { DescribedError, FailureCodec } from './failure.ts';
import type { Operation } from './operation.ts';
import type { OutcomeCodec } from './outcome.ts';
import type { Policy } from './policy.ts';

/** An admitted call: who asks, for what, under which key. */
export interface RunRequest {
  readonly scope: string;
  readonly procedure: string;
  readonly key: string;
  /** How old the caller says its key is. At least 1 s is also the hint that this may be a retry. */
  readonly ageMs: number | undefined;
  readonly fingerprint: string;
  readonly policy: Policy;
  readonly failures: FailureCodec;
  readonly outcomes: OutcomeCodec;
  /** The procedure's output parser: what it returns is stored and answered. */
  readonly parseOutput?: ((value: unknown) => unknown) | undefined;
  readonly trace: Trace;
  /**
   * What the caller's software calls itself, `''` where it doesn't: for whoever looks for a broken client, decides nothing.
   * `undefined`: no caller from outside made the key.
   */
  readonly clientVersion?: string | undefined;
  /** Mode `queued`: what a worker will need to run it in the caller's place. */
  readonly queued?: { readonly principal: string; readonly input: unknown } | undefined;
}

/** The procedure's resolver, behind its guards and parsers. Runs at most once for each attempt that the store has let run. */
export type Handler<Tx> = (operation: Operation<Tx>) => Promise<unknown>;

/** What every mode begins with. */
export interface Call<Tx> {
  readonly request: RunRequest;
  readonly handler: Handler<Tx>;
  /** Look first: a replay then costs one SELECT, and nothing else is prepared. Only a hint: the write looks again. */
  readonly mayBeRetry: boolean;
  /** Of this one execution, whatever happens to its writes on their way: that is what makes them re-entrant. */
  readonly owner: string;
  /** By `performance.now()`: until then the caller waits for somebody else's answer. */
  readonly deadline: number;
}

/** What became of a call. A handler's transient error is thrown instead, unchanged: nothing was stored about it. */
export type RunResult =
  | {
      readonly kind: 'completed';
      readonly value: unknown;
      readonly replayed: boolean;
      readonly operationId: string;
    }
  | {
      readonly kind: 'failed';
      readonly error: DescribedError;
      /** The error as thrown, when this very call ran the handler. */
      readonly thrown?: unknown;
      readonly replayed: boolean;
      readonly operationId: string;
    }
  /** Mode `queued`: it is, or will be, done by a worker. Ask for its status, or again with the same key. */
  | {
      readonly kind: 'accepted';
      readonly operationId: string;
      readonly state: 'accepted' | 'processing';
      readonly pollAfterMs: number;
    }
  | { readonly kind: 'refused'; readonly problem: IdempotencyProblem; readonly cause?: unknown };
