import { setTimeout as sleep } from 'node:timers/promises';
import type { Store } from '../store/port.ts';
import type { Emit } from '../telemetry/events.ts';
import { repeat } from './repeat.ts';

export interface RecoveryOptions {
  /** How often this process looks for attempts whose server died, in ms. @default 5000 */
  readonly orphansEveryMs?: number;
  /** How often this process deletes what is past its retention, in ms. @default 60_000 */
  readonly retentionEveryMs?: number;
  /** Operations looked at in one statement. @default 500 */
  readonly batch?: number;
}

/** Between two batches of a backlog, so that a sweep never crowds out requests. */
const PAUSE_MS = 10;

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
  let closed = false;
  const failed = (error: unknown): void => emit({ type: 'recovery_failed', error });
  const loops = [
    repeat(orphansEveryMs, () => toTheEnd(sweepOrphans), failed),
    repeat(retentionEveryMs, () => toTheEnd(sweepExpired), failed),
  ];

  async function sweepOrphans(): Promise<boolean> {
    const { changed, complete } = await store.sweepOrphans({ limit: batch, trace });
    const dead = changed.filter(({ state }) => state === 'dead');
    for (const { state: _, ...orphan } of dead) {
      // Whoever would have said so was lost with the attempt.
      const error = new Error('Its last attempt was lost: the process died, or the lease ran out');
      emit({ type: 'dead', error, ...orphan });
    }
    const suspended = changed.length - dead.length;
    if (suspended > 0) emit({ type: 'recovered', suspended, deleted: 0 });
    return complete;
  }

  async function sweepExpired(): Promise<boolean> {
    const { changed, complete } = await store.sweepExpired({ limit: batch });
    if (changed.length > 0) emit({ type: 'recovered', suspended: 0, deleted: changed.length });
    return complete;
  }

  async function toTheEnd(sweep: () => Promise<boolean>): Promise<void> {
    while (!closed && !(await sweep())) await sleep(PAUSE_MS);
  }

  return {
    async close() {
      closed = true;
      await Promise.all(loops.map((loop) => loop.close()));
    },
  };
}
