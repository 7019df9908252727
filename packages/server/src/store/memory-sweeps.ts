import { type Entry, freeAt, leaseRanOut, orphanEnd } from './memory-operations.ts';
import type { Table } from './memory-table.ts';
import type { SweepReport, Trace } from './port.ts';

export function createSweeps(table: Table, clock: () => number) {
  const orphans = table.createWalk();
  const expired = table.createWalk();

  function sweep(
    walk: typeof orphans,
    limit: number,
    act: (entry: Entry, now: number) => boolean,
  ): SweepReport {
    const now = clock();
    const changed: { operationId: string; procedure: string; scope: string }[] = [];
    const { examined, complete } = walk(limit, (entry) => {
      const { operationId, procedure, scope } = entry.record;
      if (act(entry, now)) changed.push({ operationId, procedure, scope });
    });
    return { examined, changed, complete };
  }

  return {
    sweepOrphans(limit: number, trace: Trace): SweepReport {
      return sweep(orphans, limit, (entry, now) => {
        const end = leaseRanOut(entry.record, now) ? orphanEnd(entry.record, now) : undefined;
        if (end === undefined) return false;
        table.end(entry, end, trace, now);
        return true;
      });
    },
    sweepExpired(limit: number): SweepReport {
      return sweep(expired, limit, (entry, now) => {
        if (freeAt(entry.record) > now) return false;
        table.remove(entry);
        return true;
      });
    },
  };
}
