import { createAtomically } from './memory-atomic.ts';
import { createDecisions } from './memory-decisions.ts';
import { createFence } from './memory-fence.ts';
import { claimOn, type Entry, freeAt, isAsSeen, leaseRanOut } from './memory-operations.ts';
import { createPurges } from './memory-purges.ts';
import { createQueue } from './memory-queue.ts';
import { createRejections } from './memory-rejections.ts';
import { createSweeps } from './memory-sweeps.ts';
import { createTable } from './memory-table.ts';
import {
  createStagedTransaction,
  type MemoryTransaction,
  type StagedTransaction,
} from './memory-transaction.ts';
import type { ClaimResult, OperationRecord, Sighting, Store, TakeCause } from './port.ts';

export type { MemoryTransaction } from './memory-transaction.ts';

export interface MemoryStoreOptions {
  /**
   * Epoch milliseconds; integers that never go back. @default the wall clock at start-up, counted on by the monotonic
   * clock, so that a changed system time moves no lease.
   */
  readonly clock?: () => number;
  /** Operations kept at most; a new one beyond that is refused with `StoreUnavailable`. @default 250_000 */
  readonly maxOperations?: number;
}

export interface MemoryStore extends Store<MemoryTransaction> {
  /** What handlers wrote through their transactions and what was committed. */
  readonly committed: ReadonlyMap<string, unknown>;
}

// Taken at load, so that a test's fake timers don't become the store's clock without being told to.
const now = performance.now.bind(performance);
const startedAt = performance.timeOrigin;
const steadyClock = () => Math.floor(startedAt + now());

/**
 * A store of record in this process: for tests, development and benchmarks. It keeps every promise of the port but
 * those of its capabilities: what it knows dies with the process, and no other process sees it.
 *
 * Every change is one synchronous step on whole records, which is what makes it atomic.
 */
export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const { clock = steadyClock, maxOperations = 250_000 } = options;
  const committed = new Map<string, unknown>();
  const rejections = createRejections(clock, maxOperations);
  const table = createTable(maxOperations, (operationId) => rejections.delete(operationId));
  const fence = createFence(table, rejections, clock);
  const sweeps = createSweeps(table, clock);

  const sighting = (entry: Entry): Sighting => ({ record: entry.record, now: clock() });
  const claimed = (record: OperationRecord): ClaimResult => ({ won: true, claim: claimOn(record) });
  /** Won before by this very request, or lost. */
  const lost = (entry: Entry, owner: string): ClaimResult =>
    entry.record.owner === owner && entry.record.state === 'processing'
      ? claimed(entry.record)
      : { won: false, record: entry.record, now: clock() };

  return {
    capabilities: { transactions: true, durable: false, shared: false },
    committed,
    queue: createQueue(table, fence, committed, clock),
    decisions: createDecisions(table, committed, clock),

    async lookup(identity) {
      const entry = table.at(identity);
      return entry && sighting(entry);
    },
    async claim(request) {
      const entry = table.at(request);
      return entry === undefined ? claimed(table.insert(request, clock())) : lost(entry, request.owner);
    },
    async take(request, seen, cause) {
      const entry = table.at(request);
      const now = clock();
      // What was seen has been settled, expired and swept since: the request is a first one.
      if (entry === undefined) return claimed(table.insert(request, now));
      if (!isAsSeen(entry, seen) || !mayTake(entry.record, cause, now)) return lost(entry, request.owner);
      if (cause === 'expired') return claimed(table.insert(request, now, entry));
      table.advance(entry, request, cause, now);
      return claimed(entry.record);
    },
    async suspendOrphan(seen, trace) {
      const entry = table.at(seen);
      if (entry === undefined) return { record: seen, now: clock() };
      if (isAsSeen(entry, seen) && leaseRanOut(entry.record, clock()))
        table.end(entry, { to: 'suspended', cause: 'outcome_unknown' }, trace, clock());
      return sighting(entry);
    },

    async settle(claim, settlement, trace) {
      return fence.settle(claim, settlement, trace);
    },
    async renew(claims) {
      return claims.map((claim) => {
        const entry = fence.held(claim);
        if (entry !== undefined) table.extend(entry, clock());
        return { operationId: claim.operationId, attempt: claim.attempt, renewed: entry !== undefined };
      });
    },
    async recordStep(claim, step, trace) {
      return fence.recordStep(claim, step, trace);
    },
    async steps(operationId) {
      const steps = table.byOperation.get(operationId)?.steps ?? [];
      return [...steps.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    },

    async transact(claim, body, { timeoutMs, trace }) {
      const tx = createStagedTransaction(committed, clock, timeoutMs);
      const end = await body(tx);
      tx.touch();
      const commit = () => tx.commit();
      const result =
        end.kind === 'step'
          ? fence.recordStep(claim, end.step, trace, commit)
          : fence.settle(claim, end.settlement, trace, commit);
      if (result.kind === 'overtaken') return result;
      const expiresAt = result.kind === 'settled' ? result.expiresAt : undefined;
      return {
        kind: 'committed',
        value: end.value,
        ...(expiresAt === undefined ? undefined : { expiresAt }),
      };
    },
    atomically: createAtomically(table, committed, clock),
    async savepoint(tx, body) {
      const goBack = (tx as StagedTransaction).mark();
      try {
        return await body();
      } catch (error) {
        goBack();
        throw error;
      }
    },

    async recordRejected(rejection) {
      rejections.add(rejection);
    },
    async find(operationId) {
      const entry = table.byOperation.get(operationId);
      return entry && sighting(entry);
    },
    async history(operationId) {
      return [...(table.byOperation.get(operationId)?.history ?? [])];
    },
    async rejected(operationId) {
      return rejections.of(operationId);
    },

    async sweepOrphans({ limit, trace }) {
      return sweeps.sweepOrphans(limit, trace);
    },
    async sweepExpired({ limit }) {
      return sweeps.sweepExpired(limit);
    },
    ...createPurges(table, rejections, clock, maxOperations),
    async ping() {},
    async close() {},
  };
}

function mayTake(record: OperationRecord, cause: TakeCause, now: number): boolean {
  switch (cause) {
    case 'claimed':
      return record.state === 'released';
    case 'overtaken':
      return leaseRanOut(record, now);
    case 'expired':
      return freeAt(record) <= now;
  }
}
