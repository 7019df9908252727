import { createEngine, type Engine } from './engine/engine.ts';
import { createSweeper, type RecoveryOptions } from './recovery/sweeper.ts';
import type { Store } from './store/port.ts';
import { createEmitter, type EventListener } from './telemetry/events.ts';
import { createMetrics } from './telemetry/metrics.ts';

export interface SemelOptions<Tx> {
  /** The store of record: the one authority on who runs. */
  readonly store: Store<Tx>;
  /** One structured event per thing that happens to an operation, for logs. */
  readonly onEvent?: EventListener;
  /** Sweeps for orphans and for retention; any number of servers may run them. `false` leaves them to another process. */
  readonly recovery?: RecoveryOptions | false;
  /** Callers that may wait for another caller's answer at the same time. @default 1000 */
  readonly maxWaiters?: number;
}

/** One per process: the engine, its leases, its telemetry and its recovery. Adapters are built on it. */
export interface Semel<Tx = unknown> {
  readonly engine: Engine<Tx>;
  readonly store: Store<Tx>;
  /** Call on SIGTERM: new keyed work is answered 503, what runs may finish. @returns how many attempts still ran at the deadline */
  drain(deadlineMs: number): Promise<number>;
  /** Ends timers. The store is yours to close. */
  close(): Promise<void>;
}

export function createSemel<Tx>(options: SemelOptions<Tx>): Semel<Tx> {
  if (typeof options.store?.claim !== 'function') {
    throw new TypeError(
      'createSemel needs a store: createSemel({ store: createMemoryStore() }), or one of a database',
    );
  }
  const { store, onEvent, recovery = {}, maxWaiters = 1000 } = options;
  const emit = createEmitter(onEvent === undefined ? [createMetrics()] : [createMetrics(), onEvent]);
  const engine = createEngine({ store, emit, maxWaiters });
  const sweeper = recovery === false ? undefined : createSweeper(store, emit, recovery);
  return {
    engine,
    store,
    drain: (deadlineMs) => engine.drain(deadlineMs),
    async close() {
      engine.close();
      await sweeper?.close();
    },
  };
}
