import { createEngine, type Engine } from './engine/engine.ts';
import { entrySeal } from './engine/entry-seal.ts';
import { type Purged, type PurgeOptions, purge } from './purge.ts';
import { createSweeper, type RecoveryOptions } from './recovery/sweeper.ts';
import { createRun, type Run } from './run.ts';
import type { KeyRing } from './sealing/key-ring.ts';
import { createSealing } from './sealing/sealing.ts';
import type { Layer } from './store/layer.ts';
import { layeredStore } from './store/layered.ts';
import { createLayers } from './store/layers.ts';
import type { Store } from './store/port.ts';
import { createEmitter, type EventListener } from './telemetry/events.ts';
import { createLayerMetrics, createMetrics } from './telemetry/metrics.ts';

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
   * Outcomes, step results and queued inputs are sealed with it (AES-256-GCM), and fingerprints made with it, before the
   * store sees them. See docs/guides/encryption.md. @default none: they are stored as they are
   */
  readonly keyRing?: KeyRing;
  /** One structured event per thing that happens to an operation, for logs. */
  readonly onEvent?: EventListener;
  /** Sweeps for orphans and for retention; any number of servers may run them. `false` leaves them to another process. */
  readonly recovery?: RecoveryOptions | false;
  /**
   * Calls at work in this process at the same time. More are answered 503 with `Retry-After` before anything is begun, so
   * that an overload doesn't make everybody wait. Duplicates that join a running call don't count. @default 1000
   */
  readonly maxRunning?: number;
  /** Callers that may wait for another caller's answer at the same time. @default 1000 */
  readonly maxWaiters?: number;
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
  /** Call on SIGTERM: new keyed work is answered 503, what runs may finish. @returns how many attempts still ran at the deadline */
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
  /** Ends timers. The store is yours to close. */
  close(): Promise<void>;
}

/** @throws KeyRingError for a key ring that can't protect anything */
export function createSemel<Tx>(options: SemelOptions<Tx>): Semel<Tx> {
  if (typeof options.store?.claim !== 'function') {
    throw new TypeError(
      'createSemel needs a store: createSemel({ store: createMemoryStore() }), or one of a database',
    );
  }
  const { layers = [], onEvent, keyRing, recovery = {}, maxRunning = 1000, maxWaiters = 1000 } = options;
  const sealing = createSealing(keyRing);
  const emit = createEmitter(onEvent === undefined ? [createMetrics()] : [createMetrics(), onEvent]);
  const ahead =
    layers.length === 0
      ? undefined
      : createLayers({ layers, seal: entrySeal(sealing), emit, answered: createLayerMetrics() });
  const store = ahead === undefined ? options.store : layeredStore(options.store, ahead);
  const engine = createEngine({ store, layers: ahead, sealing, emit, maxRunning, maxWaiters });
  const sweeper = recovery === false ? undefined : createSweeper(store, emit, recovery);
  return {
    engine,
    store,
    run: createRun(engine),
    purge: (what) => purge(store, emit, what),
    drain: (deadlineMs) => engine.drain(deadlineMs),
    async close() {
      engine.close();
      await sweeper?.close();
    },
  };
}
