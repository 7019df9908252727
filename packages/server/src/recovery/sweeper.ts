import { setTimeout as sleep } from 'node:timers/promises';
import type { Store, SweepReport } from '../store/port.ts';
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
    repeat(
      orphansEveryMs,
      () => sweep(() => store.sweepOrphans({ limit: batch, trace }), 'suspended'),
      failed,
    ),
    repeat(retentionEveryMs, () => sweep(() => store.sweepExpired({ limit: batch }), 'deleted'), failed),
  ];

  /** Queued work whose last attempt was lost, and with it whoever would have said so. @returns how many */
  async function tellDead({ changed }: SweepReport): Promise<number> {
    let dead = 0;
    for (const { operationId } of changed) {
      const found = await store.find(operationId);
      if (found?.record.state !== 'dead') continue;
      dead++;
      const { scope, procedure, key, attempt } = found.record;
      const { deadLetterOwner } = (await store.queue.work(operationId)) ?? {};
      emit({
        type: 'dead',
        error: new Error('Its last attempt was lost: the process died, or the lease ran out'),
        ...(deadLetterOwner !== undefined && { deadLetterOwner }),
        ...{ scope, procedure, key, operationId, attempt },
      });
    }
    return dead;
  }

  async function sweep(once: () => Promise<SweepReport>, what: 'suspended' | 'deleted'): Promise<void> {
    for (; !closed; await sleep(PAUSE_MS)) {
      const report = await once();
      const dead = what === 'suspended' ? await tellDead(report) : 0;
      const count = report.changed.length - dead;
      if (count > 0) emit({ type: 'recovered', suspended: 0, deleted: 0, [what]: count });
      if (report.complete) return;
    }
  }

  return {
    async close() {
      closed = true;
      await Promise.all(loops.map((loop) => loop.close()));
    },
  };
}
