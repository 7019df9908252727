import type { Jobs } from '@semel/server/store';

/**
 * What an author of a queue gives the suite: how to open one, and how to do what the port doesn't offer.
 *
 * @typeParam Tx the store's transactions that jobs can join, as in `Jobs<Tx>`.
 */
export interface JobsHarness<Tx = unknown> {
  /** An empty queue of its own, called once for every case: what other cases left must not be delivered here. */
  open(): Promise<OpenedJobs<Tx>>;
}

export interface OpenedJobs<Tx = unknown> {
  readonly jobs: Jobs<Tx>;

  /** Runs a body in a transaction of the store: committed when it resolves, rolled back when it rejects. */
  transaction<T>(body: (tx: Tx) => Promise<T>): Promise<T>;

  /**
   * The same queue seen by another process or over other connections; the suite closes it. Absent where nobody else can see
   * it.
   */
  second?(): Promise<Jobs<Tx>>;

  /**
   * Another process that consumes this queue with `concurrency` 1 and never ends with the job that it gets. Absent where no
   * other process can.
   */
  worker?(): Promise<StuckWorker>;

  /** Breaks every connection of `jobs`, as a restart of the database does. Absent where there is none. */
  cutConnections?(): Promise<void>;

  /** Closes the jobs and what the harness opened for them. */
  close(): Promise<void>;
}

export interface StuckWorker {
  /** The operation whose job it got. */
  readonly delivering: Promise<string>;
  /** SIGKILL. Resolves when the process is gone. */
  kill(): Promise<void>;
}
