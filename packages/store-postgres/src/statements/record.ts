import type { OperationState } from '@semel/contract/v1/pure';
import type {
  Claim,
  ClaimRequest,
  OperationIdentity,
  OperationMode,
  OperationRecord,
  RecordedPolicy,
  Sighting,
} from '@semel/server/store';
import type { Row } from '../connections/flight.ts';
import { CLOCK, epochMs } from './statement.ts';

/** What every statement that returns a record selects, in this order. `o` is the row. */
export const SIGHTING = `
  o.operation_id, o.state, o.attempt, o.owner, o.fingerprint, o.version,
  o.mode, o.on_crash, o.lease_ms, o.max_run_ms, o.max_attempts, o.downstream_window_ms, o.ttl_ms,
  ${epochMs('o.created_at')}, ${epochMs('o.updated_at')}, ${epochMs('o.first_claimed_at')},
  ${epochMs('o.lease_until')}, ${epochMs('o.expires_at')}, o.outcome, ${epochMs(CLOCK)}`;

/** For statements that find a record otherwise than by its identity. */
export const SIGHTING_WITH_IDENTITY = `${SIGHTING}, o.scope, o.procedure, o.key`;

/** The values of a new operation, $1 to $15, in the order of `NEW_OPERATION`. */
export function requestValues(request: ClaimRequest): unknown[] {
  const { policy, trace } = request;
  return [
    request.scope,
    request.procedure,
    request.key,
    request.operationId,
    request.owner,
    request.fingerprint,
    policy.mode,
    policy.onCrash,
    policy.leaseMs,
    policy.maxRunMs,
    policy.maxAttempts,
    policy.downstreamWindowMs,
    policy.ttlMs,
    trace.actor,
    trace.traceId ?? null,
  ];
}

/** The columns that `requestValues` fills with $1 to $13. */
export const REQUEST_COLUMNS = `scope, procedure, key, operation_id, owner, fingerprint,
    mode, on_crash, lease_ms, max_run_ms, max_attempts, downstream_window_ms, ttl_ms`;
export const REQUEST_PARAMETERS = `$1, $2, $3, $4, $5, $6, $7, $8,
    $9::float8, $10::float8, $11::float8, $12::float8, $13::float8`;

export function sightingFromRow(row: Row, identity?: OperationIdentity): Sighting {
  const [operationId, state, attempt, owner, fingerprint, version] = row;
  const [mode, onCrash, leaseMs, maxRunMs, maxAttempts, downstreamWindowMs, ttlMs] = row.slice(6, 13);
  const [createdAt, updatedAt, firstClaimedAt, leaseUntil, expiresAt, outcome, now] = row.slice(13, 20);
  const { scope, procedure, key } = identity ?? {
    scope: row[20] as string,
    procedure: row[21] as string,
    key: row[22] as string,
  };
  const policy: RecordedPolicy = {
    mode: mode as OperationMode,
    onCrash: onCrash as 'suspend' | 'resume',
    leaseMs: leaseMs as number,
    maxRunMs: maxRunMs as number,
    maxAttempts: maxAttempts as number,
    downstreamWindowMs: downstreamWindowMs as number,
    ttlMs: ttlMs as number,
  };
  const record: OperationRecord = {
    scope,
    procedure,
    key,
    operationId: operationId as string,
    state: state as OperationState,
    attempt: attempt as number,
    owner: owner as string,
    fingerprint: fingerprint as string,
    policy,
    version: version as number,
    createdAt: createdAt as number,
    updatedAt: updatedAt as number,
    firstClaimedAt: firstClaimedAt as number,
    ...(leaseUntil === null ? undefined : { leaseUntil: leaseUntil as number }),
    ...(expiresAt === null ? undefined : { expiresAt: expiresAt as number }),
    ...(outcome === null ? undefined : { outcome: outcome as string }),
  };
  return { record, now: now as number };
}

/** `updatedAt` is when it was claimed: a renewal doesn't touch it. */
export function claimOn({ record }: Sighting): Claim {
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

export function newClaim(request: ClaimRequest, now: number): Claim {
  const { scope, procedure, key, operationId, owner, policy, fingerprint } = request;
  return {
    scope,
    procedure,
    key,
    operationId,
    owner,
    attempt: 1,
    policy,
    fingerprint,
    createdAt: now,
    firstClaimedAt: now,
    now,
  };
}
