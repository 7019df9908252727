import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '@semel/contract/v1/pure';
import type { MemoryTransaction } from '../store/memory-transaction.ts';
import type { Consumer, Jobs } from './port.ts';

export interface MemoryJobsOptions {
  /** How long a job that could not be dealt with waits, in ms. @default 1000 */
  readonly againMs?: number;
  /** Calls `due` after `ms`; for tests that move time themselves. @default setTimeout, not keeping the process alive */
  readonly after?: (ms: number, due: () => void) => void;
}

interface Waiting {
  readonly id: string;
  readonly job: unknown;
}

/** Ids that are remembered, so that sending one twice is one job; the oldest are forgotten first. */
const MAX_REMEMBERED = 100_000;

const realTimer = (ms: number, due: () => void): void => void setTimeout(due, ms).unref();

/** Of this process and as durable as it, beside `createMemoryStore`: for tests and development. At least once. */
export function createMemoryJobs(options: MemoryJobsOptions = {}): Jobs<MemoryTransaction> {
  const { againMs = 1000, after = realTimer } = options;
  const known = new Set<string>();
  /** By id: not dealt with yet. */
  const alive = new Map<string, Waiting>();
  const due: Waiting[] = [];
  const consumers = new Set<() => void>();
  let closed = false;

  function enter(waiting: Waiting, delayMs: number): void {
    if (known.has(waiting.id)) return;
    known.add(waiting.id);
    if (known.size > MAX_REMEMBERED) known.delete(known.keys().next().value ?? '');
    alive.set(waiting.id, waiting);
    fallDue(waiting, delayMs);
  }

  function fallDue(waiting: Waiting, delayMs: number): void {
    const ready = (): void => {
      if (closed) return;
      due.push(waiting);
      for (const wake of consumers) wake();
    };
    // Never within the caller's own step: a transaction that has just committed goes on first.
    if (delayMs > 0) after(delayMs, ready);
    else queueMicrotask(ready);
  }

  return {
    async send(tx, job, { id, delayMs }) {
      const waiting = { id, job: structuredClone(job) };
      if (tx === undefined) enter(waiting, delayMs);
      else tx.onCommit(() => enter(waiting, delayMs));
    },

    async waiting(operationIds) {
      const asked = new Set(operationIds);
      const found = [...alive.values()].map(({ job }) => (job as Partial<Job> | null)?.operationId ?? '');
      return new Set(found.filter((operationId) => asked.has(operationId)));
    },

    async consume(deliver, { concurrency }): Promise<Consumer> {
      const running = new Set<Promise<void>>();
      let stopped = false;

      function wake(): void {
        while (!stopped && !closed && running.size < concurrency) {
          const next = due.shift();
          if (next === undefined) return;
          const delivery = deliver(structuredClone(next.job)).then(
            () => void alive.delete(next.id),
            () => fallDue(next, againMs),
          );
          running.add(delivery);
          void delivery.then(() => {
            running.delete(delivery);
            wake();
          });
        }
      }

      consumers.add(wake);
      queueMicrotask(wake);
      return {
        async stop(deadlineMs) {
          stopped = true;
          consumers.delete(wake);
          const ended = new AbortController();
          const late = sleep(deadlineMs, undefined, { signal: ended.signal }).catch(() => undefined);
          await Promise.race([Promise.allSettled(running), late]);
          ended.abort();
          // Whoever still runs keeps its job until then: nobody else takes it over from a process that is this one.
        },
      };
    },

    async close() {
      closed = true;
    },
  };
}
