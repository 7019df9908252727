import { type Entry, freeAt, leaseRanOut, orphanEnd } from './memory-operations.ts';
import type { Table } from './memory-table.ts';
import type { OrphanReport, SweepReport, Trace } from './port.ts';

export function createSweeps(table: Table, clock: () => number) {
  const orphans = table.createWalk();
  const expired = table.createWalk();

  /** @param act what there is to say about one that it changed */
  function sweep<Changed>(
    walk: typeof orphans,
    limit: number,
    act: (entry: Entry, now: number) => Changed | undefined,
  ) {
    const now = clock();
    const changed: Changed[] = [];
    const { examined, complete } = walk(limit, (entry) => {
      const one = act(entry, now);
      if (one !== undefined) changed.push(one);
    });
    return { examined, changed, complete };
  }

  return {
    sweepOrphans(limit: number, trace: Trace): OrphanReport {
      return sweep(orphans, limit, (entry, now) => {
        const end = leaseRanOut(entry.record, now) ? orphanEnd(entry.record, now) : undefined;
        if (end === undefined) return undefined;
        table.end(entry, end, trace, now);
        const { operationId, procedure, scope, key, attempt } = entry.record;
        const owner = entry.work?.deadLetterOwner;
        return {
          ...{ operationId, procedure, scope, key, attempt, state: end.to },
          ...(owner === undefined ? undefined : { deadLetterOwner: owner }),
        };
      });
    },
    sweepExpired(limit: number): SweepReport {
      return sweep(expired, limit, (entry, now) => {
        if (freeAt(entry.record) > now) return undefined;
        table.remove(entry);
        const { operationId, procedure, scope } = entry.record;
        return { operationId, procedure, scope };
      });
    },
  };
}
