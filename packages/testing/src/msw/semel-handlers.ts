import type { HttpHandler } from 'msw';
import { createOperations, type Execution, type Situation } from './operations.ts';
import { type PlainMocks, plainHandlers } from './plain.ts';
import { type TrpcMocks, trpcHandlers } from './trpc.ts';

export interface SemelHandlersOptions {
  readonly trpc?: TrpcMocks;
  readonly http?: PlainMocks;
  /** What conflicts and accepted answers say how long to wait. Milliseconds. @default 10 */
  readonly retryAfterMs?: number;
  /** How often a queued operation is asked about before it is done. @default 2 */
  readonly pollsUntilDone?: number;
}

export interface SemelHandlers {
  /** For msw: `setupServer(...semel.handlers)`, `setupWorker(...semel.handlers)`. */
  readonly handlers: HttpHandler[];
  /** What ran, oldest first: a user action that was sent three times stands here once. */
  readonly executions: readonly Execution[];
  /** What happens to the next requests to a procedure or route, one each; after them all is ordinary again. */
  next(name: string, ...situations: Situation[]): void;
  /** What happens to every request to it, until changed; `undefined` ends it. */
  always(name: string, situation: Situation | undefined): void;
  /** Forgets everything: for `afterEach`. */
  reset(): void;
}

/**
 * Handlers for msw that behave like a server of the contract: keys are required, a repeated request is replayed, another
 * payload under the key is `key_reused`. What else can happen between a browser and a server is planned with `next`. For
 * tests of frontends, over tRPC (single calls and batches) and plain HTTP. They hold records in memory and run in the
 * process of the test; they say nothing about a real server (`describeIdempotency` does).
 *
 * Not done: streams, WebSockets, expiry, the status by key.
 *
 * @example
 * const semel = semelHandlers({ trpc: { url, mutations: { 'orders.create': () => ({ id: 'o-1' }) } } });
 * const server = setupServer(...semel.handlers);
 * semel.next('orders.create', 'lost answer');
 * @throws TypeError for a route that isn't written as `'POST /orders'`
 */
export function semelHandlers(options: SemelHandlersOptions): SemelHandlers {
  const { trpc, http, retryAfterMs = 10, pollsUntilDone = 2 } = options;
  const operations = createOperations({ retryAfterMs, pollsUntilDone });
  return {
    handlers: [
      ...(trpc === undefined ? [] : trpcHandlers(trpc, operations, retryAfterMs)),
      ...(http === undefined ? [] : plainHandlers(http, operations, retryAfterMs)),
    ],
    executions: operations.executions,
    next: (name, ...situations) => operations.plan(name, situations),
    always: operations.always,
    reset: operations.reset,
  };
}
