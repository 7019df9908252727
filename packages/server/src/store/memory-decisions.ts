import { randomUUID } from 'node:crypto';
import type { Decided, Decision, DecisionRecord, DecisionStore } from './decision-port.ts';
import { type Entry, ended, nextAttempt, windowPassed } from './memory-operations.ts';
import type { Table } from './memory-table.ts';
import {
  createStagedTransaction,
  type MemoryTransaction,
  type StagedTransaction,
} from './memory-transaction.ts';
import { offer, pageOf } from './memory-undecided.ts';
import type { OperationRecord } from './port.ts';

/** How long a transaction in which somebody decides may idle before it has lost its lock. */
const DECISION_TIMEOUT_MS = 60_000;

const isUndecided = ({ state }: OperationRecord): boolean => state === 'suspended' || state === 'dead';

/** What resolvers and operators do: a look, a lock while their own code runs, and one synchronous step as the commit. */
export function createDecisions(
  table: Table,
  committed: Map<string, unknown>,
  clock: () => number,
): DecisionStore<MemoryTransaction> {
  const open = new Map<string, StagedTransaction>();

  const notNow = ({ record }: Entry): Decided => ({ kind: 'not_now', record, now: clock() });
  const done = ({ record }: Entry): Decided => ({ kind: 'done', record });

  /** The operation, if nobody is deciding about it right now, it is as it was seen and its record allows this. */
  function decidable(
    operationId: string,
    { version }: Decision,
    allows: (record: OperationRecord) => boolean,
  ): { readonly entry: Entry } | { readonly refused: Decided } {
    const entry = table.byOperation.get(operationId);
    if (entry === undefined) return { refused: { kind: 'absent' } };
    const isHeld = open.get(operationId)?.timedOut() === false;
    const isAsSeen = version === undefined || version === entry.record.version;
    return isHeld || !isAsSeen || !allows(entry.record) ? { refused: notNow(entry) } : { entry };
  }

  /** Runs somebody's code under the lock; `commit` applies what it wrote unless the lock was lost meanwhile. */
  async function locked<T>(
    entry: Entry,
    body: (tx: MemoryTransaction) => Promise<T>,
    commit: (value: T, apply: () => void) => Decided,
  ): Promise<Decided> {
    const before = entry.record;
    const tx = createStagedTransaction(committed, clock, DECISION_TIMEOUT_MS);
    open.set(before.operationId, tx);
    try {
      const value = await body(tx);
      tx.touch();
      return entry.record === before ? commit(value, () => tx.commit()) : notNow(entry);
    } finally {
      if (open.get(before.operationId) === tx) open.delete(before.operationId);
    }
  }

  function keep(entry: Entry, action: DecisionRecord['action'], decision: Decision, seq: number): void {
    const { actor, reason, traceId } = decision;
    const { operationId, updatedAt: at } = entry.record;
    const traced = traceId === undefined ? undefined : { traceId };
    entry.decisions = [
      ...(entry.decisions ?? []),
      { operationId, seq, action, at, actor, reason, ...traced },
    ];
  }

  return {
    async resolve(operationId, body, decision) {
      const found = decidable(operationId, decision, isUndecided);
      if ('refused' in found) return found.refused;
      const { entry } = found;
      return locked(
        entry,
        (tx) => body(tx, entry.record),
        (resolution, apply) => {
          if (resolution === undefined) return { kind: 'undecided' };
          // An attempt that brings the same outcome later must not take it for its own commit.
          const record = { ...entry.record, owner: randomUUID() };
          table.change(entry, ended(record, resolution, clock()), 'resolved', decision);
          keep(entry, 'resolved', decision, entry.record.version);
          apply();
          return done(entry);
        },
      );
    },

    async redrive(operationId, { grantAttempts }, send, decision) {
      const found = decidable(
        operationId,
        decision,
        (record) => record.policy.mode === 'queued' && isUndecided(record),
      );
      if ('refused' in found) return found.refused;
      const { entry } = found;
      const now = clock();
      if (windowPassed(entry.record, now)) return { kind: 'window_passed', record: entry.record, now };
      const record = redriven(entry.record, grantAttempts, now);
      return locked(
        entry,
        (tx) => send(tx, record),
        (_, apply) => {
          table.change(entry, record, 'redriven', decision);
          if (entry.work !== undefined) entry.work = { ...entry.work, dueAt: now };
          keep(entry, 'redriven', decision, record.version);
          // Last: what a job in memory sets going must find the operation accepted.
          apply();
          return done(entry);
        },
      );
    },

    async release(operationId, decision) {
      const found = decidable(
        operationId,
        decision,
        ({ policy, state }) => policy.mode === 'leased' && state === 'suspended',
      );
      if ('refused' in found) return found.refused;
      const { entry } = found;
      const now = clock();
      if (windowPassed(entry.record, now)) return { kind: 'window_passed', record: entry.record, now };
      const resumed = nextAttempt(entry.record, entry.record.owner, now);
      table.change(entry, resumed, 'resumed', decision);
      table.end(entry, { to: 'released', cause: 'released' }, decision, now);
      keep(entry, 'released', decision, resumed.version);
      return done(entry);
    },

    async cancel(operationId, outcome, decision) {
      const found = decidable(
        operationId,
        decision,
        ({ policy, state, attempt }) => policy.mode === 'queued' && state === 'accepted' && attempt === 0,
      );
      if ('refused' in found) return found.refused;
      const { entry } = found;
      table.change(entry, ended(entry.record, { to: 'failed', outcome }, clock()), 'cancelled', decision);
      keep(entry, 'cancelled', decision, entry.record.version);
      return done(entry);
    },

    async offer(options) {
      return offer(table.byOperation.values(), options, clock());
    },
    async undecided(operationId) {
      const { record, offeredAt, lastError } = table.byOperation.get(operationId) ?? {};
      if (record === undefined || !isUndecided(record)) return undefined;
      const isThisTime = offeredAt !== undefined && offeredAt >= record.updatedAt;
      return {
        ...(isThisTime && { offeredAt }),
        ...(lastError !== undefined && { lastError }),
      };
    },
    async list(filter) {
      return pageOf(table.byOperation.values(), filter, clock());
    },
    async decisions(operationId) {
      return [...(table.byOperation.get(operationId)?.decisions ?? [])];
    },
  };
}

/** Back to the queue with so many more starts; the fence grows, so that whoever still runs an old attempt is refused. */
function redriven(record: OperationRecord, grantAttempts: number, now: number): OperationRecord {
  const { leaseUntil: _, ...next } = nextAttempt(record, record.owner, now);
  const maxAttempts = next.attempt + grantAttempts;
  return { ...next, state: 'accepted', policy: { ...record.policy, maxAttempts } };
}
