import type { Store, SweepReport } from '../store/port.ts';
import type { Emit } from '../telemetry/events.ts';

export interface RecoveryOptions {
  /** How often this process looks for attempts whose server died, in ms. @default 5000 */
  readonly orphansEveryMs?: number;
  /** How often this process deletes what is past its retention, in ms. @default 60_000 */
  readonly retentionEveryMs?: number;
  /** Operations looked at in one statement. @default 500 */
  readonly batch?: number;
}

/** Batches in a row before other work gets a turn: a backlog is worked off over several rounds. */
const MAX_BATCHES = 20;

/**
 * Recovery changes records and never runs handlers. Any number of servers sweep at once, without a leader: the store
 * guards each change by the record's version and its own clock.
 */
export function createSweeper<Tx>(
  store: Store<Tx>,
  emit: Emit,
  { orphansEveryMs = 5000, retentionEveryMs = 60_000, batch = 500 }: RecoveryOptions,
): { close(): Promise<void> } {
  const trace = { actor: 'recovery' };
  const loops = [
    repeat(orphansEveryMs, () => sweep(() => store.sweepOrphans({ limit: batch, trace }), 'suspended')),
    repeat(retentionEveryMs, () => sweep(() => store.sweepExpired({ limit: batch }), 'deleted')),
  ];

  async function sweep(once: () => Promise<SweepReport>, what: 'suspended' | 'deleted'): Promise<void> {
    for (let i = 0; i < MAX_BATCHES; i++) {
      const report = await once();
      const count = report.changed.length;
      if (count > 0) emit({ type: 'recovered', suspended: 0, deleted: 0, [what]: count });
      if (report.complete) return;
    }
  }

  function repeat(everyMs: number, work: () => Promise<void>): { close(): Promise<void> } {
    let running: Promise<void> = Promise.resolve();
    let timer: NodeJS.Timeout;
    let closed = false;
    const plan = (): void => {
      // Spread out, so that servers started together don't sweep together.
      timer = setTimeout(tick, everyMs * (0.75 + Math.random() / 2));
      timer.unref();
    };
    const tick = (): void => {
      running = work()
        .catch((error: unknown) => emit({ type: 'recovery_failed', error }))
        .then(() => {
          if (!closed) plan();
        });
    };
    plan();
    return {
      close() {
        closed = true;
        clearTimeout(timer);
        return running;
      },
    };
  }

  return {
    async close() {
      await Promise.all(loops.map((loop) => loop.close()));
    },
  };
}
