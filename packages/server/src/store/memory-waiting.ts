import { type Entry, leaseRanOut, orphanEnd } from './memory-operations.ts';
import type { Backlog, Stranded } from './queue-port.ts';

type Waiting = { readonly entry: Entry; readonly state: Backlog['state']; readonly since: number };

/** What waits, and since when: for a worker, for the end of its attempt, or for a decision. */
function waiting(entry: Entry): Waiting | undefined {
  const { state, policy, updatedAt } = entry.record;
  if (state === 'accepted') return { entry, state, since: entry.work?.dueAt ?? updatedAt };
  const waits =
    state === 'suspended' || state === 'dead' || (state === 'processing' && policy.mode === 'queued');
  return waits ? { entry, state, since: updatedAt } : undefined;
}

/** Queued operations that may have lost their job, those first that have been due longest. */
export function strandedOf(entries: Iterable<Entry>, graceMs: number, now: number): readonly Stranded[] {
  const found: Stranded[] = [];
  for (const entry of entries) {
    const { operationId, scope, procedure, state, version } = entry.record;
    const dueAt = entry.work?.dueAt;
    if (dueAt === undefined) continue;
    const named = { operationId, scope, procedure, version, dueAt };
    if (state === 'accepted' && dueAt + graceMs <= now) found.push({ ...named, state });
    else if (state === 'processing' && mayGoOn(entry, now)) found.push({ ...named, state });
  }
  return found.sort(byDueAt);
}

type Place = Pick<Stranded, 'dueAt' | 'operationId'>;
export const byDueAt = (a: Place, b: Place): number =>
  a.dueAt - b.dueAt || (a.operationId < b.operationId ? -1 : Number(a.operationId > b.operationId));

function mayGoOn({ record }: Entry, now: number): boolean {
  return leaseRanOut(record, now) && orphanEnd(record, now) === undefined;
}

export function backlogOf(entries: Iterable<Entry>, now: number): readonly Backlog[] {
  const lines = new Map<string, Backlog>();
  for (const entry of entries) {
    const found = waiting(entry);
    if (found === undefined) continue;
    const { procedure } = entry.record;
    const { state, since } = found;
    const line = lines.get(`${state} ${procedure}`);
    lines.set(`${state} ${procedure}`, {
      procedure,
      state,
      count: (line?.count ?? 0) + 1,
      oldestMs: Math.max(line?.oldestMs ?? 0, now - since),
    });
  }
  return [...lines.values()];
}
