import type { Job } from '@semel/contract/v1/pure';

/**
 * The jobs port: what carries the names of accepted operations to workers. At least once is enough, and order doesn't matter:
 * the store of record decides who runs. What a queue loses is sent again, what it repeats is refused.
 */
export interface Jobs<Tx = unknown> {
  /**
   * Sends a job that is delivered after `delayMs`. With `tx` (what the store hands to `enqueue` and `redrive`) the job exists
   * if and only if that transaction commits; without it in a transaction of its own. Sending one `id` twice is one job.
   */
  send(
    tx: Tx | undefined,
    job: Job,
    options: { readonly id: string; readonly delayMs: number },
  ): Promise<void>;

  /** Those of these operations for which a job waits or is being delivered. Others have lost theirs. */
  waiting(operationIds: readonly string[]): Promise<ReadonlySet<string>>;

  /**
   * Delivers jobs until stopped, at most `concurrency` at a time in this process. A `deliver` that resolves has dealt with its
   * job; one that rejects, or whose process dies, gets the same job again later. What it gets may be anything that lies in the
   * queue: it parses.
   */
  consume(
    deliver: (job: unknown) => Promise<void>,
    options: { readonly concurrency: number },
  ): Promise<Consumer>;

  /** Ends connections and timers that it opened. */
  close(): Promise<void>;
}

export interface Consumer {
  /** No new deliveries; resolves when those that run have ended, or at the deadline. */
  stop(deadlineMs: number): Promise<void>;
}
