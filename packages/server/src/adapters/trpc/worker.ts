import type { Worker, WorkerOptions } from '../../jobs/worker.ts';
import type { Semel } from '../../semel.ts';
import { type CreateWorkerContext, type WorkerRouter, workerProcedures } from './worker-procedures.ts';

/** What {@link createWorker} takes, besides how often it looks and how much it does at once. */
export interface CreateWorkerOptions<Tx> extends WorkerOptions {
  readonly semel: Semel<Tx>;
  /** With the procedures of mode `queued`, and those with a resolver, in it: by their stable names they are found. */
  readonly router: WorkerRouter;
  /**
   * Makes the context of one execution: as `createContext` of a request does, but of a principal that nobody authenticates
   * again. What `scope` says of it has to be `principal`. Guards run on it, so look up what they ask about (roles, bans) as it
   * is now. An error that it throws is the attempt's.
   *
   * @example createContext: async ({ principal }) => ({ user: await users.find(principal) })
   */
  readonly createContext: CreateWorkerContext;
}

/**
 * Starts a worker in this process: it runs what was accepted, with retries, until it is closed. Any number of processes may,
 * with requests or without. Each execution goes through the procedure's own guards and parsers, as its caller, and ends in
 * the record whether or not anybody still asks.
 *
 * @example
 * const worker = createWorker({ semel, router, createContext: ({ principal }) => ({ user: principal }), concurrency: 4 });
 * process.once('SIGTERM', () => worker.close(10_000));
 * @throws PolicyError for two procedures with one name, a part of the router that loads lazily, or no procedure for it at all
 * @throws TypeError without jobs, and for a concurrency that is none
 */
export function createWorker<Tx>(options: CreateWorkerOptions<Tx>): Worker {
  const { semel, router, createContext, ...rest } = options;
  const procedures = workerProcedures(semel as Semel<unknown>, router, createContext);
  return semel.startWorker(procedures, rest);
}
