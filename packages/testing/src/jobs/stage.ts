import { randomUUID } from 'node:crypto';
import type { Job } from '@semel/contract/v1/pure';
import type { Consumer, Jobs } from '@semel/server/store';
import type { OpenedJobs } from './harness.ts';

/** A consumer whose deliveries can be looked at, and held up. */
export interface Watched {
  readonly consumer: Consumer;
  /** What was delivered so far, in order. */
  readonly delivered: readonly unknown[];
  /** How many deliveries run now, and how many ran at the same time at most. */
  readonly running: { now: number; most: number };
  /** Resolves with the first delivery, past or to come, that matches. */
  until(matches: (job: unknown) => boolean): Promise<void>;
}

/** What every case works with. */
export interface Stage<Tx = unknown> extends OpenedJobs<Tx> {
  job(): Job;
  /** Sends a job, with an id of its own unless one is given. */
  send(job: Job, more?: { readonly tx?: Tx; readonly id?: string; readonly delayMs?: number }): Promise<void>;
  /** @param handle how a delivery goes; by default it is dealt with at once */
  consume(options?: {
    readonly jobs?: Jobs<Tx>;
    readonly concurrency?: number;
    readonly handle?: (job: unknown) => Promise<void> | void;
  }): Promise<Watched>;
  /** A second view that is closed with the case. */
  other(): Promise<Jobs<Tx>>;
  /** Ends what the case began. */
  clear(): Promise<void>;
}

export const uuid = (): string => randomUUID();

export function createStage<Tx>(opened: OpenedJobs<Tx>): Stage<Tx> {
  const consumers: Consumer[] = [];
  const others: Jobs<Tx>[] = [];
  return {
    ...opened,
    job: () => ({ v: 1, operationId: `op_${uuid()}`, scope: 'tenant-1', procedure: 'payments.create' }),
    send: (job, { tx, id = uuid(), delayMs = 0 } = {}) => opened.jobs.send(tx, job, { id, delayMs }),
    async consume({ jobs = opened.jobs, concurrency = 4, handle = () => {} } = {}) {
      const delivered: unknown[] = [];
      const running = { now: 0, most: 0 };
      const waiters = new Set<() => void>();
      const consumer = await jobs.consume(
        async (job) => {
          delivered.push(job);
          running.now++;
          running.most = Math.max(running.most, running.now);
          for (const look of waiters) look();
          try {
            await handle(job);
          } finally {
            running.now--;
          }
        },
        { concurrency },
      );
      consumers.push(consumer);
      return {
        consumer,
        delivered,
        running,
        until: (matches) =>
          new Promise((resolve) => {
            const look = () => {
              if (!delivered.some(matches)) return;
              waiters.delete(look);
              resolve();
            };
            waiters.add(look);
            look();
          }),
      };
    },
    async other() {
      if (opened.second === undefined) throw new Error('a case asked for what its harness lacks');
      const jobs = await opened.second();
      others.push(jobs);
      return jobs;
    },
    async clear() {
      await Promise.all(consumers.map((consumer) => consumer.stop(0)));
      await Promise.all(others.map((jobs) => jobs.close()));
    },
  };
}

/** Whether what was delivered is the job of that operation. */
export function isOf(job: Job): (delivered: unknown) => boolean {
  return (delivered) => operationOf(delivered) === job.operationId;
}

export function operationOf(delivered: unknown): string | undefined {
  if (typeof delivered !== 'object' || delivered === null || !('operationId' in delivered)) return undefined;
  return typeof delivered.operationId === 'string' ? delivered.operationId : undefined;
}

/** Something that ends when it is told to. */
export function createGate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: () => resolve() };
}

/** Asks until the answer is yes. The runner's time limit is the only one. */
export async function eventually(ask: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await ask())) await new Promise((resolve) => setTimeout(resolve, 10));
}
