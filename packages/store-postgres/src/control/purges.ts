import { isSettled, type OperationState } from '@semel/contract/v1/pure';
import { PURGED_FINGERPRINT, type PurgeSelection, purgedOutcome, type Store } from '@semel/server/store';
import type { Row } from '../connections/flight.ts';
import type { Lines } from '../connections/lines.ts';
import type { Control } from '../connections/pools.ts';
import type { Statements } from '../statements/all.ts';
import { sightingFromRow } from '../statements/record.ts';

/** Erasing what settled operations hold: a batch is looked up without a lock, then purged in one statement. */
export function createPurges(
  control: Control,
  lines: Lines,
  statements: Statements,
): Pick<Store, 'purge' | 'purged'> {
  async function batchOf(
    select: PurgeSelection,
    after: string | undefined,
    limit: number,
  ): Promise<{
    readonly ids: readonly string[];
    readonly unsettled: readonly string[];
    readonly next?: string;
  }> {
    if ('operationId' in select) {
      const [row] = await lines.read(statements.find, [select.operationId]);
      if (row === undefined) return { ids: [], unsettled: [] };
      return isSettled(sightingFromRow(row).record.state)
        ? { ids: [select.operationId], unsettled: [] }
        : { ids: [], unsettled: [select.operationId] };
    }
    const { first, before } = rangeOf(select);
    const [scope, procedure, key] = after === undefined ? [first, '', ''] : (JSON.parse(after) as string[]);
    const rows = await lines.read(statements.operationsInScopes, [scope, procedure, key, before, limit]);
    const settled = (row: Row) => isSettled(row[1] as OperationState);
    const id = (row: Row) => row[0] as string;
    const last = rows.length === limit ? rows.at(-1) : undefined;
    return {
      ids: rows.filter(settled).map(id),
      unsettled: rows.filter((row) => !settled(row)).map(id),
      ...(last && { next: JSON.stringify(last.slice(2)) }),
    };
  }

  return {
    async purge({ select, limit, after, trace, reason }) {
      const { ids, unsettled, next } = await batchOf(select, after, limit);
      const values = [
        ids,
        trace.actor,
        trace.traceId ?? null,
        reason,
        purgedOutcome('completed'),
        purgedOutcome('failed'),
        PURGED_FINGERPRINT,
      ];
      const rows = ids.length > 0 ? await control.run([statements.purge, values]) : [];
      const idsOf = (wasNow: boolean) =>
        rows.filter(([, now]) => now === wasNow).map(([operationId]) => operationId as string);
      return {
        purged: idsOf(true),
        purgedBefore: idsOf(false),
        unsettled,
        ...(next !== undefined && { next }),
      };
    },

    async purged(operationId) {
      const [row] = await lines.read(statements.purged, [operationId]);
      if (row === undefined) return undefined;
      const [at, actor, reason, traceId] = row as [number, string, string, string | null];
      return { operationId, at, actor, reason, ...(traceId !== null && { traceId }) };
    },
  };
}

/** The scopes from `first` on and before `before`, in order of code points. No text lies between one and one with \x01 behind it. */
function rangeOf(select: Exclude<PurgeSelection, { operationId: string }>): {
  readonly first: string;
  readonly before: string | null;
} {
  return 'scope' in select
    ? { first: select.scope, before: `${select.scope}\x01` }
    : { first: select.scopePrefix, before: afterAllWith(select.scopePrefix) };
}

/** The first text that comes after every text with this prefix; `null` when none does. */
function afterAllWith(prefix: string): string | null {
  const points = Array.from(prefix, (char) => char.codePointAt(0) as number);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    // Surrogates are no characters of a text in a database.
    const next = last === 0xd7ff ? 0xe000 : last + 1;
    if (next <= 0x10ffff) return String.fromCodePoint(...points, next);
  }
  return null;
}
