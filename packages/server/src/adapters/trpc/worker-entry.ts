import type { DescribedError } from '../../engine/failure.ts';
import type { Operation } from '../../engine/operation.ts';
import type { OutcomeCodec } from '../../engine/outcome.ts';
import type { Policy } from '../../engine/policy.ts';
import type { WorkerSubject } from '../../engine/worker-procedures.ts';
import type { Semel } from '../../semel.ts';
import type { Middleware, MiddlewareCall } from './trpc-internals.ts';

/** One execution that a worker has begun, on its way through a procedure's guards and parsers to its resolver. */
export interface Delivery {
  readonly operation: Operation;
  readonly subject: WorkerSubject;
  /** Who asked, when it was accepted. */
  readonly principal: string;
  /** The one claim that may take it. */
  readonly claim: Middleware;
  /** The procedure's call, as far as it has come: errors are described by it. */
  call: MiddlewareCall | undefined;
  /** What the resolver made of it, once it was reached. */
  ran: Promise<unknown> | undefined;
  /** The attempt is over: whoever still holds a `next` of its call runs nothing. */
  over: boolean;
}

/**
 * The only way past admission. What stands here can't be brought by a request: the context object is made by the worker for
 * one call, nobody else has it, and the first who comes with it takes the entry away.
 */
const deliveries = new WeakMap<object, Delivery>();

/** @returns a context that enters as this delivery, once */
export function contextOfDelivery(created: object, delivery: Delivery): object {
  // A copy, because the application may hand out one object twice. Middlewares see copies anyway: tRPC spreads contexts.
  const ctx = { ...created };
  deliveries.set(ctx, delivery);
  return ctx;
}

export function takeDelivery(ctx: object): Delivery | undefined {
  const delivery = deliveries.get(ctx);
  deliveries.delete(ctx);
  return delivery;
}

/** What a worker needs to know about a procedure that this adapter has arranged. */
export interface Workable {
  readonly semel: Semel<unknown>;
  readonly policy: Policy;
  readonly outcomes: OutcomeCodec;
  readonly parseOutput: ((value: unknown, call: MiddlewareCall) => Promise<unknown>) | undefined;
  readonly describe: (error: unknown, call: MiddlewareCall) => Promise<DescribedError>;
}

const workables = new WeakMap<object, Workable>();

export const markWorkable = (claim: Middleware, facts: Workable): void => void workables.set(claim, facts);
export const workableOf = (middleware: object): Workable | undefined => workables.get(middleware);
