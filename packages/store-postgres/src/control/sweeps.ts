import type { EndedOrphan, Store, SweepReport } from '@semel/server/store';
import type { Row, Value } from '../connections/flight.ts';
import type { Control } from '../connections/pools.ts';
import type { Statements } from '../statements/all.ts';

/** While another server sweeps there is nothing to do here. */
const SWEPT_ELSEWHERE = { examined: 0, changed: [], complete: true } as const;

export function createSweeps(
  control: Control,
  statements: Statements,
): Pick<Store, 'sweepOrphans' | 'sweepExpired'> {
  return {
    sweepOrphans: ({ limit, trace }) =>
      control.transaction(async (ask) => {
        const [held] = (await ask([statements.orphanCursor, []])) as readonly Value[][];
        if (held === undefined) return SWEPT_ELSEWHERE;
        const stragglers = JSON.parse(held[2] as string) as readonly string[];
        const batch = await ask([statements.claimedAfter, [held[0], held[1], limit]]);
        const alive = batch.filter(([, , processing]) => processing === true);
        const ids = [...new Set([...stragglers, ...alive.map(([operationId]) => operationId as string)])];
        const { actor, traceId } = trace;
        const changed =
          ids.length > 0 ? await ask([statements.suspendOrphans, [ids, actor, traceId ?? null]]) : [];
        const passed = batch.filter(([, , , old]) => old === true);
        const last = passed.at(-1) as readonly Value[] | undefined;
        // Written only when it says something new: an idle store is left alone.
        if (last !== undefined || stragglers.length > 0) {
          await ask([statements.passOrphans, [last?.[1] ?? held[0], last?.[0] ?? held[1], ids]]);
        }
        return {
          examined: batch.length + stragglers.length,
          changed: changed.map(endedFromRow),
          complete: batch.length < limit || passed.length < batch.length,
        };
      }),

    sweepExpired: ({ limit }) =>
      control.transaction(async (ask) => {
        const [held] = (await ask([statements.expiryCursor, []])) as readonly Value[][];
        if (held === undefined) return SWEPT_ELSEWHERE;
        const batch = await ask([statements.operationsAfter, [held[0], limit]]);
        const ids = batch.map(([operationId]) => operationId as string);
        const changed = ids.length > 0 ? await ask([statements.deleteExpired, [ids]]) : [];
        const complete = batch.length < limit;
        if (complete) await ask([statements.forgetRefused, []]);
        const next = complete ? '' : (batch.at(-1)?.[0] as string);
        if (next !== held[0]) await ask([statements.passExpired, [next]]);
        return { examined: batch.length, changed: changed.map(deletedFromRow), complete };
      }),
  };
}

function deletedFromRow([operationId, procedure, scope]: Row): SweepReport['changed'][number] {
  return { operationId: operationId as string, procedure: procedure as string, scope: scope as string };
}

function endedFromRow(row: Row): EndedOrphan {
  const [key, attempt, state, deadLetterOwner] = row.slice(3);
  return {
    ...deletedFromRow(row),
    key: key as string,
    attempt: attempt as number,
    state: state as EndedOrphan['state'],
    ...(typeof deadLetterOwner === 'string' && { deadLetterOwner }),
  };
}
