import { isSettled, type TransitionCause } from '@semel/contract/v1/pure';
import {
  type AttemptEnd,
  type Entry,
  ended,
  freeAt,
  newRecord,
  nextAttempt,
  queuedRecord,
  transition,
} from './memory-operations.ts';
import type { ClaimRequest, OperationIdentity, OperationRecord, Settlement, Trace } from './port.ts';
import { identityKey, StoreUnavailable } from './port.ts';
import type { EnqueueRequest } from './queue-port.ts';

/** The rows of the memory store, and the changes that are made to them whole: record and history in one step. */
export function createTable(maxOperations: number, forget: (operationId: string) => void) {
  const byIdentity = new Map<string, Entry>();
  const byOperation = new Map<string, Entry>();
  /** No key becomes free before this: while it lies ahead, a full table needs no walk to say that it is full. */
  let nothingFreeBefore = Number.POSITIVE_INFINITY;

  function change(entry: Entry, record: OperationRecord, cause: TransitionCause, trace: Trace): void {
    entry.history.push(transition(entry.record.state, record, cause, trace));
    entry.record = record;
    entry.lastError = undefined;
    if (isSettled(record.state)) entry.work = undefined;
    nothingFreeBefore = Math.min(nothingFreeBefore, freeAt(record));
  }

  /** Deletes an operation with its steps, its history and what it refused. */
  function remove(entry: Entry): void {
    byIdentity.delete(entry.identity);
    byOperation.delete(entry.record.operationId);
    forget(entry.record.operationId);
  }

  function makeRoom(now: number): void {
    if (byIdentity.size < maxOperations) return;
    if (nothingFreeBefore <= now) {
      nothingFreeBefore = Number.POSITIVE_INFINITY;
      for (const entry of byIdentity.values()) {
        const at = freeAt(entry.record);
        if (at <= now) remove(entry);
        else nothingFreeBefore = Math.min(nothingFreeBefore, at);
      }
    }
    if (byIdentity.size < maxOperations) return;
    throw new StoreUnavailable(
      `The memory store is full: maxOperations is ${maxOperations}, none has expired`,
    );
  }

  /** A new operation, in place of `old` if its key had become free. */
  function add(
    record: OperationRecord,
    cause: TransitionCause,
    { trace }: ClaimRequest,
    old: Entry | undefined,
  ): Entry {
    if (byOperation.has(record.operationId))
      throw new Error(`Another operation has the id ${record.operationId}`);
    if (old === undefined) makeRoom(record.createdAt);
    else remove(old);
    const history = [transition(null, record, cause, trace)];
    const entry: Entry = { identity: identityKey(record), record, history, steps: undefined };
    byIdentity.set(entry.identity, entry);
    byOperation.set(record.operationId, entry);
    nothingFreeBefore = Math.min(nothingFreeBefore, freeAt(record));
    return entry;
  }

  return {
    byOperation,
    /** A transition whose record the caller has made. */
    change,
    at: (identity: OperationIdentity) => byIdentity.get(identityKey(identity)),
    remove,

    /** Claimed, or settled at once in atomic mode. */
    insert(request: ClaimRequest, now: number, old?: Entry, settlement?: Settlement): OperationRecord {
      const claimed = newRecord(request, now);
      const record = settlement === undefined ? claimed : ended(claimed, settlement, now, 1);
      return add(record, settlement?.cause ?? 'claimed', request, old).record;
    },
    /** Accepted, with its work, due now. */
    enqueue(request: EnqueueRequest, now: number, old?: Entry): OperationRecord {
      const entry = add(queuedRecord(request, now), 'enqueued', request, old);
      entry.work = { ...request.work, dueAt: now };
      return entry.record;
    },
    advance(entry: Entry, request: ClaimRequest, cause: 'claimed' | 'overtaken', now: number): void {
      change(entry, nextAttempt(entry.record, request.owner, now), cause, request.trace);
    },
    end(entry: Entry, settlement: AttemptEnd, trace: Trace, now: number): void {
      const lastError = 'lastError' in settlement ? settlement.lastError : undefined;
      if (entry.work !== undefined && lastError !== undefined) {
        const dueAt = settlement.to === 'accepted' ? now + settlement.delayMs : entry.work.dueAt;
        entry.work = { ...entry.work, lastError, dueAt };
      }
      change(entry, ended(entry.record, settlement, now), settlement.cause, trace);
      if (settlement.to !== 'accepted') entry.lastError = lastError;
    },
    /** Released -> settled in one commit (atomic mode): one row, no `processing` in between. */
    endNextAttempt(
      entry: Entry,
      request: ClaimRequest,
      settlement: Settlement,
      now: number,
    ): OperationRecord {
      const attempt = nextAttempt(entry.record, request.owner, now);
      change(entry, ended(attempt, settlement, now, attempt.version), settlement.cause, request.trace);
      return entry.record;
    },
    /** Extends a lease: no transition, so neither history nor version knows of it. */
    extend(entry: Entry, now: number): void {
      entry.record = { ...entry.record, leaseUntil: now + entry.record.policy.leaseMs };
    },

    /** A walk that goes on where it stopped last time, `limit` entries at a time, and says when it came round. */
    createWalk() {
      let rest: Iterator<Entry> | undefined;
      return (limit: number, visit: (entry: Entry) => void): { examined: number; complete: boolean } => {
        rest ??= byIdentity.values();
        for (let examined = 0; examined < limit; examined++) {
          const next = rest.next();
          if (next.done) {
            rest = undefined;
            return { examined, complete: true };
          }
          visit(next.value);
        }
        return { examined: limit, complete: false };
      };
    },
  };
}

export type Table = ReturnType<typeof createTable>;
