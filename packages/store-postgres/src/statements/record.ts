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
import type { Row, Value } from '../connections/flight.ts';

/** Between the parts of a packed record: a character that no id, fingerprint or number holds. */
const SEPARATOR = '\x1f';
/** Between what the first flight of the atomic mode answers. */
const PART = '\x1e';

/**
 * A record as one text: node-postgres reads the description of every column anew for every answer, and twenty columns
 * cost more than the look-up itself (measured: 0.54 of a bare SELECT's rate at one caller, 1.03 as one text).
 * `o` is the row. The migration's function `open_atomic` repeats it; a test compares.
 */
export const PACKED = `concat_ws(E'\\x1f', o.operation_id, o.owner, o.fingerprint, o.state, o.attempt, o.version,
    o.mode, o.on_crash, o.lease_ms, o.max_run_ms, o.max_attempts, o.downstream_window_ms, o.ttl_ms,
    ${packedTime('o.created_at')}, ${packedTime('o.updated_at')}, ${packedTime('o.first_claimed_at')},
    coalesce(${packedTime('o.lease_until')}::text, ''), coalesce(${packedTime('o.expires_at')}::text, ''),
    ${packedTime('clock_timestamp()')})`;

function packedTime(time: string): string {
  return `(date_part('epoch', ${time}) * 1000)::bigint`;
}

/** What every statement that returns a record selects. The outcome apart: it may hold anything, and be long. */
export const SIGHTING = `${PACKED}, o.outcome`;

/** For statements that find a record otherwise than by its identity. */
export const SIGHTING_WITH_IDENTITY = `${SIGHTING}, o.scope, o.procedure, o.key`;

/** The values of a new operation, $1 to $15, in the order of `NEW_OPERATION`. */
export function requestValues(request: ClaimRequest): Value[] {
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

/** The columns that `requestValues` fills with $1 to $15: the first transition's actor and trace among them. */
export const REQUEST_COLUMNS = `scope, procedure, key, operation_id, owner, fingerprint,
    mode, on_crash, lease_ms, max_run_ms, max_attempts, downstream_window_ms, ttl_ms, first_actor, first_trace_id`;
export const REQUEST_PARAMETERS = `$1, $2, $3, $4, $5, $6, $7, $8,
    $9::float8, $10::float8, $11::float8, $12::float8, $13::float8, $14, $15`;

export function sightingFromRow(row: Row, identity?: OperationIdentity): Sighting {
  const [packed, outcome, scope, procedure, key] = row as readonly string[];
  return sighting(packed as string, outcome, identity ?? ({ scope, procedure, key } as OperationIdentity));
}

/** A record from its packed text and its outcome. */
export function sighting(
  packed: string,
  outcome: string | null | undefined,
  { scope, procedure, key }: OperationIdentity,
): Sighting {
  const part = packed.split(SEPARATOR) as [string, string, string, string, ...string[]];
  const number = (index: number) => Number(part[index]);
  const policy: RecordedPolicy = {
    mode: part[6] as OperationMode,
    onCrash: part[7] as 'suspend' | 'resume',
    leaseMs: number(8),
    maxRunMs: number(9),
    maxAttempts: number(10),
    downstreamWindowMs: number(11),
    ttlMs: number(12),
  };
  const record: OperationRecord = {
    scope,
    procedure,
    key,
    operationId: part[0],
    owner: part[1],
    fingerprint: part[2],
    state: part[3] as OperationState,
    attempt: number(4),
    version: number(5),
    policy,
    createdAt: number(13),
    updatedAt: number(14),
    firstClaimedAt: number(15),
    ...(part[16] === '' ? undefined : { leaseUntil: number(16) }),
    ...(part[17] === '' ? undefined : { expiresAt: number(17) }),
    ...(outcome === null || outcome === undefined ? undefined : { outcome }),
  };
  return { record, now: number(18) };
}

/** What `open_atomic` answers: the transaction's id where the call may run, and the record that it found. */
export function openedFromText(
  text: string,
  identity: OperationIdentity,
): { readonly transactionId: string | null; readonly found: Sighting | undefined } {
  const [first, second] = [text.indexOf(PART), text.indexOf(PART, text.indexOf(PART) + 1)];
  const packed = text.slice(first + 1, second);
  return {
    transactionId: first === 0 ? null : text.slice(0, first),
    found: packed === '' ? undefined : sighting(packed, text.slice(second + 1) || undefined, identity),
  };
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
