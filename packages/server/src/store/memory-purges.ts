import { isSettled } from '@semel/contract/v1/pure';
import type { createRejections } from './memory-rejections.ts';
import type { Table } from './memory-table.ts';
import {
  PURGED_FINGERPRINT,
  type PurgeRecord,
  type PurgeSelection,
  purgedOutcome,
  type Store,
} from './port.ts';

/** Erasing what settled operations hold, and who asked for it. */
export function createPurges(
  table: Table,
  rejections: ReturnType<typeof createRejections>,
  clock: () => number,
  maxOperations: number,
): Pick<Store, 'purge' | 'purged'> {
  const records = new Map<string, PurgeRecord>();

  function keep(record: PurgeRecord): void {
    records.set(record.operationId, record);
    if (records.size > maxOperations) records.delete(records.keys().next().value ?? '');
  }

  return {
    async purge({ select, limit, after, trace, reason }) {
      // In the order of the ids, not of arrival: a walk that is interrupted by claims misses none that was there before.
      const matching = [...table.byOperation.entries()]
        .filter(([id, { record }]) => (after === undefined || id > after) && matches(select, record))
        .sort(([a], [b]) => (a < b ? -1 : 1));
      const batch = matching.slice(0, limit);
      const purged: string[] = [];
      const purgedBefore: string[] = [];
      const unsettled: string[] = [];
      for (const [operationId, entry] of batch) {
        const { state, outcome } = entry.record;
        if (!isSettled(state)) {
          unsettled.push(operationId);
          continue;
        }
        entry.steps = undefined;
        entry.progress = undefined;
        rejections.eraseEvidence(operationId);
        const tombstone = purgedOutcome(state);
        if (outcome === tombstone) {
          purgedBefore.push(operationId);
          continue;
        }
        entry.record = { ...entry.record, outcome: tombstone, fingerprint: PURGED_FINGERPRINT };
        const { actor, traceId } = trace;
        keep({
          operationId,
          at: clock(),
          actor,
          reason,
          ...(traceId === undefined ? undefined : { traceId }),
        });
        purged.push(operationId);
      }
      const last = batch.at(-1)?.[0];
      return {
        purged,
        purgedBefore,
        unsettled,
        ...(matching.length > limit && last !== undefined ? { next: last } : undefined),
      };
    },
    async purged(operationId) {
      return records.get(operationId);
    },
  };
}

function matches(
  select: PurgeSelection,
  { operationId, scope }: { operationId: string; scope: string },
): boolean {
  if ('operationId' in select) return operationId === select.operationId;
  return 'scope' in select ? scope === select.scope : scope.startsWith(select.scopePrefix);
}
