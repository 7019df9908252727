import { freeAt } from './memory-operations.ts';
import type { Table } from './memory-table.ts';
import {
  createStagedTransaction,
  type MemoryTransaction,
  type StagedTransaction,
} from './memory-transaction.ts';
import {
  type AtomicEnd,
  type AtomicRequest,
  type AtomicResult,
  identityKey,
  type OperationRecord,
} from './port.ts';

/** The atomic mode of the memory store: a lock, a look, the body, and one synchronous step as the commit. */
export function createAtomically(table: Table, committed: Map<string, unknown>, clock: () => number) {
  const open = new Map<string, StagedTransaction>();

  return async function atomically<T>(
    request: AtomicRequest,
    body: (tx: MemoryTransaction) => Promise<AtomicEnd<T>>,
  ): Promise<AtomicResult<T>> {
    const lock = identityKey(request);
    // A transaction that idled too long has lost its lock, as if its connection had been cut.
    if (open.get(lock)?.timedOut() === false) return { kind: 'held' };

    const found = table.at(request);
    const before = found?.record;
    if (!request.mayRun(before && { record: before, now: clock() })) {
      if (before === undefined) throw new TypeError('mayRun must let a call run where no record exists');
      return { kind: 'existing', record: before, now: clock() };
    }

    const tx = createStagedTransaction(committed, clock, request.timeoutMs);
    open.set(lock, tx);
    let end: AtomicEnd<T>;
    try {
      end = await body(tx);
      tx.touch();
    } finally {
      if (open.get(lock) === tx) open.delete(lock);
    }

    const now = clock();
    const current = table.at(request);
    if (current !== undefined && current.record !== before)
      return { kind: 'existing', record: current.record, now };
    let record: OperationRecord;
    if (current === undefined || freeAt(current.record) <= now)
      record = table.insert(request, now, current, end.settlement);
    else if (current.record.state === 'released')
      record = table.endNextAttempt(current, request, end.settlement, now);
    else return { kind: 'existing', record: current.record, now };
    if (end.effects === 'keep') tx.commit();

    const { operationId, attempt, policy } = record;
    return { kind: 'settled', value: end.value, operationId, attempt, expiresAt: now + policy.ttlMs };
  };
}
