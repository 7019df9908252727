import {
  type Claim,
  type ClaimRequest,
  EXPIRY_GRACE_MS,
  type OperationRecord,
  type Settlement,
  type TakeCause,
} from '@semel/server/store';

/** What the model knows of one operation: enough to say what every answer must be. */
export interface ModelOperation {
  readonly operationId: string;
  readonly state: OperationRecord['state'];
  readonly attempt: number;
  readonly owner: string;
  readonly version: number;
  readonly fingerprint: string;
  readonly outcome: string | undefined;
  readonly steps: readonly string[];
  readonly policy: OperationRecord['policy'];
  readonly firstClaimedAt: number;
  readonly leaseUntil: number;
  readonly freeAt: number;
}

type Found = ModelOperation | undefined;

/*
 * The store port as a pure function of what is there, what is asked and what time it is: the whole specification on one
 * page. Each function returns the operation afterwards; the same object means that nothing was changed.
 */

export function claimed(request: ClaimRequest, now: number): ModelOperation {
  const { operationId, owner, fingerprint, policy } = request;
  const leaseUntil = now + policy.leaseMs;
  const first = { state: 'processing', attempt: 1, version: 1, outcome: undefined, steps: [] } as const;
  return {
    ...first,
    operationId,
    owner,
    fingerprint,
    policy,
    firstClaimedAt: now,
    leaseUntil,
    freeAt: Number.POSITIVE_INFINITY,
  };
}

export function taken(found: ModelOperation, request: ClaimRequest, cause: TakeCause, now: number) {
  if (cause === 'expired') return found.freeAt <= now ? claimed(request, now) : found;
  const may = cause === 'claimed' ? found.state === 'released' : orphaned(found, now);
  return may
    ? { ...transition(found, 'processing', now), attempt: found.attempt + 1, owner: request.owner }
    : found;
}

export function settled(found: ModelOperation, claim: Claim, settlement: Settlement, now: number) {
  if (!holds(found, claim)) return found;
  return {
    ...transition(found, settlement.to, now),
    outcome: 'outcome' in settlement ? settlement.outcome : undefined,
  };
}

export function renewed(found: ModelOperation, claim: Claim, now: number): ModelOperation {
  return holds(found, claim) ? { ...found, leaseUntil: now + found.policy.leaseMs } : found;
}

export function stepped(found: ModelOperation, claim: Claim, name: string): ModelOperation {
  if (!holds(found, claim) || found.steps.includes(name)) return found;
  return { ...found, steps: [...found.steps, name] };
}

export function orphanSuspended(found: ModelOperation, now: number): ModelOperation {
  return orphaned(found, now) ? transition(found, 'suspended', now) : found;
}

export function orphanSwept(found: ModelOperation, now: number): ModelOperation {
  const { onCrash, maxAttempts, downstreamWindowMs } = found.policy;
  const windowOver = found.firstClaimedAt + downstreamWindowMs <= now;
  const must = onCrash === 'suspend' || found.attempt >= maxAttempts || windowOver;
  return must ? orphanSuspended(found, now) : found;
}

export function expiredSwept(found: Found, now: number): Found {
  return found && found.freeAt <= now ? undefined : found;
}

export function holds(found: Found, claim: Claim): boolean {
  return (
    found?.state === 'processing' &&
    found.operationId === claim.operationId &&
    found.attempt === claim.attempt &&
    found.owner === claim.owner
  );
}

/** The very same settlement by the very same attempt is answered as if it were the first. */
export function settledSo(found: Found, claim: Claim, settlement: Settlement): boolean {
  return (
    found?.operationId === claim.operationId &&
    found.attempt === claim.attempt &&
    found.owner === claim.owner &&
    found.state === settlement.to &&
    found.outcome === ('outcome' in settlement ? settlement.outcome : undefined)
  );
}

function orphaned(found: ModelOperation, now: number): boolean {
  return found.state === 'processing' && found.leaseUntil <= now;
}

function transition(found: ModelOperation, to: ModelOperation['state'], now: number): ModelOperation {
  const ends = to !== 'processing' && to !== 'suspended';
  return {
    ...found,
    state: to,
    version: found.version + 1,
    leaseUntil: to === 'processing' ? now + found.policy.leaseMs : Number.POSITIVE_INFINITY,
    freeAt: ends ? now + found.policy.ttlMs + EXPIRY_GRACE_MS : Number.POSITIVE_INFINITY,
  };
}
