import { type Job, parseJob } from '@semel/contract/v1/pure';
import { repeat } from '../recovery/repeat.ts';
import type { QueueStore } from '../store/queue-port.ts';
import type { Emit } from '../telemetry/events.ts';
import { createHealer } from './heal.ts';
import type { Consumer, Jobs } from './port.ts';

export interface WorkerOptions {
  /** Jobs at work in this process at the same time. @default 4 */
  readonly concurrency?: number;
  /** How often it looks for work that has lost its job, in ms. @default 5000 */
  readonly healEveryMs?: number;
  /** Work due for less than this isn't looked for: its job may be on its way. @default 30_000 */
  readonly graceMs?: number;
  /** How often it looks for operations that wait for a decision, in ms. @default 5000 */
  readonly resolveEveryMs?: number;
  /** How often one and the same operation is offered to its resolver, in ms. @default 60_000 */
  readonly offerEveryMs?: number;
}

export interface Worker {
  /**
   * Takes no new jobs, and waits for those that run. At the deadline what still runs is given up: its signal aborts, and where
   * its record lets the next attempt go on it goes back to the queue at once, otherwise when its lease has run out.
   */
  close(deadlineMs: number): Promise<void>;
}

export interface WorkerParts<Tx> {
  readonly jobs: Jobs<Tx>;
  readonly queue: Pick<QueueStore<Tx>, 'stranded'>;
  readonly emit: Emit;
  /** One delivery; rejects where it has to be delivered again later. */
  execute(job: Job): Promise<unknown>;
  /** Asks resolvers; one promise for each that is being asked. */
  offer(options: { readonly limit: number; readonly everyMs: number }): Promise<readonly Promise<void>[]>;
  handOver(): Promise<void>;
}

const HEAL_BATCH = 500;
/** Resolvers asked at the same time: each holds a transaction open while it asks others. */
const MAX_RESOLVING = 4;
const CONSUME_AGAIN_MS = 2000;

/** Consumes, executes, heals and asks resolvers, until it is closed. Needs no request, and no leader among workers. */
export function createWorker<Tx>(parts: WorkerParts<Tx>, options: WorkerOptions = {}): Worker {
  const { jobs, queue, emit } = parts;
  const { healEveryMs = 5000, graceMs = 30_000, resolveEveryMs = 5000, offerEveryMs = 60_000 } = options;
  const concurrency = wholeNumber(options.concurrency ?? 4);
  const failed = (error: unknown): void => emit({ type: 'worker_failed', error });
  const resolving = new Set<Promise<void>>();
  let closed = false;

  async function deliver(received: unknown): Promise<void> {
    const job = parseJob(received);
    if (job === undefined) return emit({ type: 'job_unreadable' });
    try {
      await parts.execute(job);
    } catch (error) {
      failed(error);
      throw error;
    }
  }

  /** A queue that is away when the server starts is consumed as soon as it is there. */
  const consuming = startConsuming();
  async function startConsuming(): Promise<Consumer | undefined> {
    while (!closed) {
      try {
        return await jobs.consume(deliver, { concurrency });
      } catch (error) {
        failed(error);
        await new Promise((resolve) => setTimeout(resolve, CONSUME_AGAIN_MS).unref());
      }
    }
    return undefined;
  }

  async function offer(): Promise<void> {
    const limit = MAX_RESOLVING - resolving.size;
    if (limit <= 0) return;
    for (const asked of await parts.offer({ limit, everyMs: offerEveryMs })) {
      resolving.add(asked);
      void asked.then(() => resolving.delete(asked));
    }
  }

  const heal = createHealer({ queue, jobs, emit });
  const loops = [
    repeat(healEveryMs, async () => void (await heal({ limit: HEAL_BATCH, graceMs })), failed),
    repeat(resolveEveryMs, offer, failed),
  ];
  let closing: Promise<void> | undefined;

  async function close(deadlineMs: number): Promise<void> {
    closed = true;
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, deadlineMs);
    try {
      // A queue that was never reached, or a loop that hangs with its database, mustn't hold the process up.
      const stopped = consuming.then((consumer) => consumer?.stop(deadlineMs)).catch(failed);
      await Promise.race([
        Promise.all([stopped, ...loops.map((loop) => loop.close()), ...resolving]),
        late.promise,
      ]);
    } finally {
      clearTimeout(timer);
      await parts.handOver();
    }
  }

  return { close: (deadlineMs) => (closing ??= close(deadlineMs)) };
}

function wholeNumber(concurrency: number): number {
  if (Number.isSafeInteger(concurrency) && concurrency >= 1 && concurrency <= 1000) return concurrency;
  throw new TypeError(`createWorker: concurrency is a whole number between 1 and 1000, not ${concurrency}`);
}
