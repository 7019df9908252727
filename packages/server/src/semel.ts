import { createDecisions, type Decisions } from './decisions.ts';
import { createEngine, type Engine } from './engine/engine.ts';
import { entrySeal } from './engine/entry-seal.ts';
import type { WorkerProcedures } from './engine/worker-procedures.ts';
import type { Jobs } from './jobs/port.ts';
import { createWorker, type Worker, type WorkerOptions } from './jobs/worker.ts';
import { type Purged, type PurgeOptions, purge } from './purge.ts';
import { createSweeper, type RecoveryOptions } from './recovery/sweeper.ts';
import { createRun, type Run } from './run.ts';
import type { KeyRing } from './sealing/key-ring.ts';
import { createSealing } from './sealing/sealing.ts';
import type { Layer } from './store/layer.ts';
import { layeredStore } from './store/layered.ts';
import { createLayers } from './store/layers.ts';
import type { Store } from './store/port.ts';
import { observeBacklog } from './telemetry/backlog.ts';
import { createEmitter, type EventListener } from './telemetry/events.ts';
import { createLayerMetrics, createMetrics } from './telemetry/metrics.ts';
import { createMisuseWatch } from './telemetry/misuse/observer.ts';
import type { MisuseOptions } from './telemetry/misuse/options.ts';

/** What {@link createSemel} takes. Only the store is required. */
export interface SemelOptions<Tx> {
  /** The store of record: the one authority on who runs. */
  readonly store: Store<Tx>;
  /**
   * Asked before the store, nearest first: replays that cost no statement. They only save time; the store decides. Yours to
   * close. See docs/decisions/0017-layers-in-front-of-the-authority.md.
   * @example layers: [createProcessLayer(), createRedisLayer({ connection: 'redis://127.0.0.1' })]
   * @default none
   */
  readonly layers?: readonly Layer[];
  /**
   * What carries queued work to workers, in the store's own transactions. Yours to close. Without it a policy of mode `queued`
   * is refused. @default none
   * @example jobs: createPgBossJobs({ connection })
   */
  readonly jobs?: Jobs<Tx>;
  /**
   * Outcomes, step results and queued inputs are sealed with it (AES-256-GCM), and fingerprints made with it, before the
   * store sees them. See docs/guides/encryption.md. @default none: they are stored as they are
   */
  readonly keyRing?: KeyRing;
  /** One structured event per thing that happens to an operation, for logs. */
  readonly onEvent?: EventListener;
  /**
   * Sweeps for orphans and for retention; any number of servers may run them. `false` leaves them to another process, and one
   * at least has to: nothing else ends a queued operation whose last attempt was lost.
   */
  readonly recovery?: RecoveryOptions | false;
  /**
   * Calls at work in this process at the same time. More are answered 503 with `Retry-After` before anything is begun, so
   * that an overload doesn't make everybody wait. Duplicates that join a running call don't count; what a worker runs does, and
   * is itself bounded by the worker's `concurrency`. At least 1. @default 1000
   */
  readonly maxRunning?: number;
  /** Callers that may wait for another caller's answer at the same time. @default 1000 */
  readonly maxWaiters?: number;
  /**
   * Looks out for callers that use keys in a way from which no server can protect them: one event and one count for each,
   * once a window. Sees what passes through this process alone. See docs/guides/misuse.md. @default {}: on, with the
   * limits of {@link MisuseOptions}
   */
  readonly misuse?: MisuseOptions | false;
}

/** One per process: the engine, its leases, its telemetry and its recovery. Adapters are built on it. */
export interface Semel<Tx = unknown> {
  readonly engine: Engine<Tx>;
  readonly store: Store<Tx>;
  /**
   * Runs something once per key with no request around it: webhooks, messages, cron. Inside another operation's handler call
   * the function directly: this would be an operation of its own, with a commit of its own.
   *
   * @example
   * const done = await semel.run(
   *   { scope: 'billing', name: 'invoice.paid', key: event.id, input: event.data, mode: 'atomic' },
   *   async ({ tx }, invoice) => tx.query('UPDATE …', [invoice.id]),
   * );
   * if (done.kind === 'refused' && done.problem.retryable) return nack(done.problem.retryAfterMs);
   * @throws PolicyError, TypeError for a call that can't mean what it says; the handler's own error, unless it is final
   */
  readonly run: Run<Tx>;
  /**
   * What operators may see, and do about operations that can't go on by themselves: for commands and consoles. Whoever holds
   * it may see every scope: put your own authorisation in front of it.
   * @example await semel.decisions.redrive(id, { actor: 'operator:alice', reason: 'ticket 4711: the provider is back' })
   */
  readonly decisions: Decisions;
  /**
   * For adapters (`createWorker` of `@semel/server/trpc` is one): runs what is queued, gives another job to work that has lost
   * its own, and asks resolvers. Starts at once; `drain` and `close` end it too.
   * @throws TypeError without jobs
   */
  startWorker(procedures: WorkerProcedures<Tx>, options?: WorkerOptions): Worker;
  /**
   * Call on SIGTERM, before {@link close}: new keyed work is answered 503, workers take no more jobs, what runs may finish. At the
   * deadline the signals of leased attempts abort, and what may resume is given back for another server; other attempts' leases
   * run out. @returns how many attempts still ran at the deadline
   */
  drain(deadlineMs: number): Promise<number>;
  /**
   * Erases what settled operations hold of a person: outcome, fingerprint, step results. They stay settled, so that nothing
   * runs again: a retry gets `outcome_gone`. Unsettled ones are left alone and counted. Key and scope stay until the
   * operation expires. In batches, each with its audit rows in one commit; harmless to repeat.
   *
   * @example await semel.purge({ principal: 'customer-17', actor: 'operator:alice', reason: 'ticket 4711' })
   * @throws TypeError for a selection that isn't exactly one, or no actor or reason
   */
  purge(options: PurgeOptions): Promise<Purged>;
  /**
   * Ends timers, sweeps and workers. What still runs goes on without renewals, and new keyed work is answered 503: `drain` first.
   * The store, layers and jobs are yours to close.
   */
  close(): Promise<void>;
}

/**
 * Starts the engine of this process. Opens nothing: the store connects when it is first asked, and sweeps begin by themselves.
 *
 * @example
 * const semel = createSemel({ store: createPostgresStore({ connection: process.env.DATABASE_URL }) });
 * process.once('SIGTERM', async () => {
 *   await semel.drain(10_000);
 *   await semel.close();
 * });
 * @throws TypeError without a store, and for a limit that is none
 * @throws KeyRingError for a key ring that can't protect anything
 */
export function createSemel<Tx>(options: SemelOptions<Tx>): Semel<Tx> {
  if (typeof options.store?.claim !== 'function') {
    throw new TypeError(
      'createSemel needs a store: createSemel({ store: createMemoryStore() }), or one of a database',
    );
  }
  const {
    layers = [],
    jobs,
    onEvent,
    keyRing,
    recovery = {},
    maxRunning = 1000,
    maxWaiters = 1000,
  } = options;
  wholeNumber('maxRunning', maxRunning, 1);
  wholeNumber('maxWaiters', maxWaiters, 0);
  const sealing = createSealing(keyRing);
  const emit = createEmitter(onEvent === undefined ? [createMetrics()] : [createMetrics(), onEvent]);
  const ahead =
    layers.length === 0
      ? undefined
      : createLayers({ layers, seal: entrySeal(sealing), emit, answered: createLayerMetrics() });
  const store = ahead === undefined ? options.store : layeredStore(options.store, ahead);
  const { misuse = {} } = options;
  const watch = misuse === false ? undefined : createMisuseWatch(misuse, emit).watch;
  const engine = createEngine({ store, layers: ahead, jobs, sealing, emit, maxRunning, maxWaiters, watch });
  const sweeper = recovery === false ? undefined : createSweeper(store, emit, recovery);
  const backlog = observeBacklog(() => store.queue.backlog());
  const workers = new Set<Worker>();
  return {
    engine,
    store,
    decisions: createDecisions({ store, sealing, emit, jobs }),
    startWorker(procedures, workerOptions) {
      if (jobs === undefined) throw new TypeError('A worker needs jobs: createSemel({ store, jobs })');
      const side = engine.workerSide(procedures);
      const started = createWorker({ jobs, queue: store.queue, emit, ...side }, workerOptions);
      const worker: Worker = {
        close: (deadlineMs) => started.close(deadlineMs).finally(() => workers.delete(worker)),
      };
      workers.add(worker);
      return worker;
    },
    run: createRun(engine),
    purge: (what) => purge(store, emit, what),
    async drain(deadlineMs) {
      const [left] = await Promise.all([
        engine.drain(deadlineMs),
        ...[...workers].map((worker) => worker.close(deadlineMs)),
      ]);
      return left;
    },
    async close() {
      backlog.close();
      await Promise.all([...workers].map((worker) => worker.close(0)));
      engine.close();
      await sweeper?.close();
    },
  };
}

/** A limit that is none would let everybody in, or nobody. */
function wholeNumber(name: keyof SemelOptions<unknown>, value: number, min: number): void {
  if (Number.isSafeInteger(value) && value >= min) return;
  throw new TypeError(`createSemel: ${name} is a whole number, ${min} or more, not ${value}`);
}
