import type { Fence } from './memory-fence.ts';
import {
  claimOn,
  type Entry,
  freeAt,
  isAsSeen,
  leaseRanOut,
  nextAttempt,
  orphanEnd,
} from './memory-operations.ts';
import type { Table } from './memory-table.ts';
import { createStagedTransaction, type MemoryTransaction } from './memory-transaction.ts';
import { backlogOf, byDueAt, strandedOf } from './memory-waiting.ts';
import type { OperationRecord } from './port.ts';
import type { EnqueueRequest, EnqueueResult, QueuedWork, QueueStore, StartResult } from './queue-port.ts';

/** How long a transaction that is handed to `send` may idle. */
const SEND_TIMEOUT_MS = 60_000;

/** Work for workers: kept with the operation, started by whoever comes first. */
export function createQueue(
  table: Table,
  fence: Fence,
  committed: Map<string, unknown>,
  clock: () => number,
): QueueStore<MemoryTransaction> {
  /** The answer to a request whose identity has a record that it may not replace. */
  function taken(request: EnqueueRequest): EnqueueResult | undefined {
    const entry = table.at(request);
    if (entry === undefined) return undefined;
    const { expired } = request;
    const now = clock();
    if (expired !== undefined && isAsSeen(entry, expired) && freeAt(entry.record) <= now) return undefined;
    const { record } = entry;
    return record.owner === request.owner && record.state === 'accepted'
      ? { won: true, record }
      : { won: false, record, now };
  }

  return {
    async enqueue(request, send) {
      const before = taken(request);
      if (before !== undefined) return before;
      const tx = createStagedTransaction(committed, clock, SEND_TIMEOUT_MS);
      await send(tx);
      tx.touch();
      // Somebody may have come while it was sent: then nothing of it is committed.
      const meanwhile = taken(request);
      if (meanwhile !== undefined) return meanwhile;
      const record = table.enqueue(request, clock(), table.at(request));
      tx.commit();
      return { won: true, record };
    },

    async start({ operationId, owner, trace }): Promise<StartResult> {
      const entry = table.byOperation.get(operationId);
      if (entry === undefined || entry.record.policy.mode !== 'queued') return { kind: 'absent' };
      const now = clock();
      const { record, work } = entry;
      if (record.state === 'processing' && record.owner === owner) return startedBefore(entry);
      if (record.state === 'accepted' && work !== undefined && work.dueAt > now)
        return { kind: 'early', dueInMs: work.dueAt - now };
      const cause = startable(record, now);
      if (cause === undefined || work === undefined) return { kind: 'not_now', record, now };
      const next = nextAttempt(record, owner, now);
      const isFirst = record.attempt === 0;
      table.change(entry, isFirst ? { ...next, firstClaimedAt: now } : next, cause, trace);
      return { kind: 'started', claim: claimOn(entry.record), work: workOnly(work), cause };
    },

    async work(operationId) {
      return table.byOperation.get(operationId)?.work;
    },
    async recordProgress(claim, value) {
      return fence.recordProgress(claim, value);
    },
    async progress(operationId) {
      return table.byOperation.get(operationId)?.progress;
    },
    async stranded({ limit, graceMs, after }) {
      const all = strandedOf(table.byOperation.values(), graceMs, clock());
      const rest = after === undefined ? all : all.filter((each) => byDueAt(each, after) > 0);
      return rest.slice(0, limit);
    },
    async backlog() {
      return backlogOf(table.byOperation.values(), clock());
    },
  };
}

function startable(record: OperationRecord, now: number): 'started' | 'overtaken' | undefined {
  if (record.state === 'processing')
    return leaseRanOut(record, now) && orphanEnd(record, now) === undefined ? 'overtaken' : undefined;
  // Whatever its window: nothing else leads out of `accepted`, and the attempt's own steps know that they come too late.
  return record.state === 'accepted' ? 'started' : undefined;
}

function startedBefore({ record, work, history }: Entry): StartResult {
  if (work === undefined) throw new Error(`${record.operationId} is processing, without its work`);
  const cause = history.at(-1)?.cause === 'overtaken' ? 'overtaken' : 'started';
  return { kind: 'started', claim: claimOn(record), work: workOnly(work), cause };
}

function workOnly({ principal, input, deadLetterOwner }: QueuedWork): QueuedWork {
  return { principal, input, ...(deadLetterOwner === undefined ? undefined : { deadLetterOwner }) };
}
