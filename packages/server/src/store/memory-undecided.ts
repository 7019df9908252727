import type { DecisionStore, OperationFilter, OperationPage } from './decision-port.ts';
import type { Entry } from './memory-operations.ts';
import type { OperationRecord } from './port.ts';

const byId = (a: Entry, b: Entry) => (a.record.operationId < b.record.operationId ? -1 : 1);

/** In turn: what nobody can decide must not be in front of all others again and again. */
const offeredLast = ({ offeredAt }: Entry): number => offeredAt ?? Number.MIN_SAFE_INTEGER;

/** What waits for a decision and wasn't offered lately; marked, so that nobody else is offered it. */
export function offer(
  entries: Iterable<Entry>,
  { limit, everyMs, procedures }: Parameters<DecisionStore['offer']>[0],
  now: number,
): readonly OperationRecord[] {
  const offered = [...entries]
    .filter(({ record: { state } }) => state === 'suspended' || state === 'dead')
    .filter(({ record }) => procedures === undefined || procedures.includes(record.procedure))
    .filter(({ offeredAt }) => offeredAt === undefined || offeredAt + everyMs <= now)
    .sort((a, b) => offeredLast(a) - offeredLast(b) || a.record.updatedAt - b.record.updatedAt || byId(a, b))
    .slice(0, limit);
  for (const entry of offered) entry.offeredAt = now;
  return offered.map(({ record }) => record);
}

/** In the order of the ids: what happens to an operation between two pages moves it nowhere. */
export function pageOf(entries: Iterable<Entry>, filter: OperationFilter, now: number): OperationPage {
  const { limit, after } = filter;
  const matching = [...entries]
    .filter(({ record }) => (after === undefined || record.operationId > after) && matches(record, filter))
    .sort(byId);
  const page = matching.slice(0, limit);
  const last = page.at(-1)?.record.operationId;
  return {
    operations: page.map(listed),
    now,
    ...(matching.length > limit && last !== undefined ? { next: last } : undefined),
  };
}

function matches(record: OperationRecord, { states, procedure, scope }: OperationFilter): boolean {
  return (
    (states === undefined || states.includes(record.state)) &&
    (procedure === undefined || record.procedure === procedure) &&
    (scope === undefined || record.scope === scope)
  );
}

function listed({ record, work, lastError = work?.lastError }: Entry): OperationPage['operations'][number] {
  const deadLetterOwner = work?.deadLetterOwner;
  return {
    ...record,
    ...(lastError === undefined ? undefined : { lastError }),
    ...(deadLetterOwner === undefined ? undefined : { deadLetterOwner }),
  };
}
