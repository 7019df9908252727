import type { OperationState, TransitionCause } from '@semel/contract/v1/pure';
import type {
  Claim,
  ClaimRequest,
  OperationIdentity,
  OperationRecord,
  Settlement,
  StepRecord,
  Trace,
  Transition,
} from './port.ts';
import { EXPIRY_GRACE_MS, PURGED_FINGERPRINT } from './port.ts';

/**
 * One operation of the memory store. Its record is never edited, only replaced by a whole new one: whoever was given
 * the old one keeps a record that existed, never a mixture of two.
 */
export interface Entry {
  readonly identity: string;
  record: OperationRecord;
  readonly history: Transition[];
  steps: Map<string, StepRecord> | undefined;
}

/** Length-prefixed, so that no two identities share a string whatever characters they hold. */
export function identityKey({ scope, procedure, key }: OperationIdentity): string {
  return `${scope.length}:${scope}${procedure.length}:${procedure}${key}`;
}

/** The fence: this very attempt of this very owner still runs. */
export function holds(record: OperationRecord, claim: Claim): boolean {
  return (
    record.state === 'processing' &&
    record.owner === claim.owner &&
    record.attempt === claim.attempt &&
    record.operationId === claim.operationId
  );
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

/** Whether the record, not today's code, says that a dead attempt needs a decision. */
export function mustSuspend({ policy, attempt, firstClaimedAt }: OperationRecord, now: number): boolean {
  return (
    policy.onCrash === 'suspend' ||
    attempt >= policy.maxAttempts ||
    firstClaimedAt + policy.downstreamWindowMs <= now
  );
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

export function ended(
  record: OperationRecord,
  settlement: Settlement,
  now: number,
  version = record.version + 1,
): OperationRecord {
  return {
    scope: record.scope,
    procedure: record.procedure,
    key: record.key,
    operationId: record.operationId,
    state: settlement.to,
    attempt: record.attempt,
    owner: record.owner,
    fingerprint: record.fingerprint,
    policy: record.policy,
    version,
    createdAt: record.createdAt,
    updatedAt: now,
    firstClaimedAt: record.firstClaimedAt,
    ...(settlement.to === 'suspended' ? undefined : { expiresAt: now + record.policy.ttlMs }),
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
