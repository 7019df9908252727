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

/** Queued operations that may have lost their job, those first that have waited longest. */
export function strandedOf(entries: Iterable<Entry>, graceMs: number, now: number): readonly Stranded[] {
  const found: { readonly stranded: Stranded; readonly since: number }[] = [];
  for (const entry of entries) {
    const { operationId, scope, procedure, state, version, leaseUntil } = entry.record;
    const named = { operationId, scope, procedure, version };
    const dueAt = entry.work?.dueAt;
    if (state === 'accepted' && dueAt !== undefined && dueAt + graceMs <= now)
      found.push({ stranded: { ...named, state }, since: dueAt });
    else if (state === 'processing' && dueAt !== undefined && mayGoOn(entry, now))
      found.push({ stranded: { ...named, state }, since: leaseUntil ?? now });
  }
  return found.sort((a, b) => a.since - b.since).map(({ stranded }) => stranded);
}

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
