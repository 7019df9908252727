import type { OperationState, TransitionCause } from '@semel/contract/v1/pure';
import type { DecisionRecord } from './decision-port.ts';
import type {
  Claim,
  ClaimRequest,
  OperationRecord,
  Settlement,
  StepRecord,
  Trace,
  Transition,
} from './port.ts';
import { EXPIRY_GRACE_MS, PURGED_FINGERPRINT } from './port.ts';
import type { ProgressRecord, WorkRecord } from './queue-port.ts';

/**
 * One operation of the memory store. Its record is never edited, only replaced by a whole new one: whoever was given
 * the old one keeps a record that existed, never a mixture of two.
 */
export interface Entry {
  readonly identity: string;
  record: OperationRecord;
  readonly history: Transition[];
  steps: Map<string, StepRecord> | undefined;
  /** Only of a queued operation, and only until it is settled. */
  work?: WorkRecord | undefined;
  progress?: ProgressRecord | undefined;
  decisions?: DecisionRecord[];
  /** When it was last offered to a resolver. */
  offeredAt?: number;
  /** What the attempt said that made it wait for a decision. */
  lastError?: string | undefined;
}

/** How an attempt ends: as its owner says, or because recovery found that nobody may try again. */
export type AttemptEnd = Settlement | { readonly to: 'dead'; readonly cause: 'exhausted' };

/** The fence: this very attempt of this very owner still runs. */
export function holds(record: OperationRecord, claim: Claim): boolean {
  return (
    record.state === 'processing' &&
    record.owner === claim.owner &&
    record.attempt === claim.attempt &&
    record.operationId === claim.operationId
  );
}

/** Nothing has happened to it since. */
export function isAsSeen({ record }: Entry, seen: OperationRecord): boolean {
  return record.operationId === seen.operationId && record.version === seen.version;
}

/** This owner and attempt has ended so already; its acknowledgement got lost, and it may have been purged since. */
export function settledSo(record: OperationRecord, claim: Claim, settlement: Settlement): boolean {
  return (
    record.state === settlement.to &&
    record.owner === claim.owner &&
    record.attempt === claim.attempt &&
    record.operationId === claim.operationId &&
    (record.outcome === ('outcome' in settlement ? settlement.outcome : undefined) ||
      record.fingerprint === PURGED_FINGERPRINT)
  );
}

export function leaseRanOut(record: OperationRecord, now: number): boolean {
  return record.state === 'processing' && record.leaseUntil !== undefined && record.leaseUntil <= now;
}

/** When the key becomes reusable; never, while the operation is unsettled. */
export function freeAt({ expiresAt }: OperationRecord): number {
  return expiresAt === undefined ? Number.POSITIVE_INFINITY : expiresAt + EXPIRY_GRACE_MS;
}

/** Other services may have forgotten the keys of the first attempt: nothing may run again. */
export function windowPassed({ policy, firstClaimedAt }: OperationRecord, now: number): boolean {
  return firstClaimedAt + policy.downstreamWindowMs <= now;
}

/** What the record, not today's code, makes of an attempt that died; `undefined` when the next one may go on. */
export function orphanEnd(
  record: OperationRecord,
  now: number,
): Extract<AttemptEnd, { to: 'suspended' } | { to: 'dead' }> | undefined {
  const { mode, onCrash, maxAttempts } = record.policy;
  const suspended = { to: 'suspended', cause: 'outcome_unknown' } as const;
  if (onCrash === 'suspend' || windowPassed(record, now)) return suspended;
  if (record.attempt < maxAttempts) return undefined;
  return mode === 'queued' ? { to: 'dead', cause: 'exhausted' } : suspended;
}

export function newRecord(request: ClaimRequest, now: number): OperationRecord {
  return {
    scope: request.scope,
    procedure: request.procedure,
    key: request.key,
    operationId: request.operationId,
    state: 'processing',
    attempt: 1,
    owner: request.owner,
    fingerprint: request.fingerprint,
    policy: request.policy,
    version: 1,
    createdAt: now,
    updatedAt: now,
    firstClaimedAt: now,
    leaseUntil: now + request.policy.leaseMs,
  };
}

/** Work that no worker has started: the first start puts its own time into `firstClaimedAt`. */
export function queuedRecord(request: ClaimRequest, now: number): OperationRecord {
  const { leaseUntil: _, ...record } = newRecord(request, now);
  return { ...record, state: 'accepted', attempt: 0 };
}

/** The next attempt of an operation: fingerprint and policy stay those that it was first claimed under. */
export function nextAttempt(record: OperationRecord, owner: string, now: number): OperationRecord {
  const { expiresAt: _, ...kept } = record;
  return {
    ...kept,
    state: 'processing',
    attempt: record.attempt + 1,
    owner,
    version: record.version + 1,
    updatedAt: now,
    leaseUntil: now + record.policy.leaseMs,
  };
}

const EXPIRING: ReadonlySet<OperationState> = new Set(['completed', 'failed', 'released']);

export function ended(
  record: OperationRecord,
  settlement: AttemptEnd | { readonly to: 'completed' | 'failed'; readonly outcome: string },
  now: number,
  version = record.version + 1,
): OperationRecord {
  const { policy } = record;
  return {
    scope: record.scope,
    procedure: record.procedure,
    key: record.key,
    operationId: record.operationId,
    state: settlement.to,
    attempt: record.attempt,
    owner: record.owner,
    fingerprint: record.fingerprint,
    policy: 'uncounted' in settlement ? { ...policy, maxAttempts: policy.maxAttempts + 1 } : policy,
    version,
    createdAt: record.createdAt,
    updatedAt: now,
    firstClaimedAt: record.firstClaimedAt,
    ...(EXPIRING.has(settlement.to) ? { expiresAt: now + policy.ttlMs } : undefined),
    ...('outcome' in settlement ? { outcome: settlement.outcome } : undefined),
  };
}

export function claimOn(record: OperationRecord): Claim {
  return {
    scope: record.scope,
    procedure: record.procedure,
    key: record.key,
    operationId: record.operationId,
    owner: record.owner,
    attempt: record.attempt,
    policy: record.policy,
    fingerprint: record.fingerprint,
    createdAt: record.createdAt,
    firstClaimedAt: record.firstClaimedAt,
    now: record.updatedAt,
  };
}

/** The audit row of the change from `from` to `record`. */
export function transition(
  from: OperationState | null,
  record: OperationRecord,
  cause: TransitionCause,
  { actor, traceId }: Trace,
): Transition {
  const { version: seq, state: to, attempt, updatedAt: at } = record;
  return traceId === undefined
    ? { seq, from, to, attempt, at, cause, actor }
    : { seq, from, to, attempt, at, cause, actor, traceId };
}
