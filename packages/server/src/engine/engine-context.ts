import { createProblem, type IdempotencyProblem, type ProblemCode } from '@semel/contract/v1/pure';
import type { Jobs } from '../jobs/port.ts';
import type { Sealing } from '../sealing/sealing.ts';
import type { Layers } from '../store/layers.ts';
import type { OperationIdentity, OperationRecord, Store } from '../store/port.ts';
import type { Emit, EventSubject } from '../telemetry/events.ts';
import type { Asking } from './decide.ts';
import type { Leases } from './leases.ts';
import type { RunRequest, RunResult } from './request.ts';
import type { Waiters } from './waiters.ts';

/** What the parts of the engine share. */
export interface EngineContext<Tx> {
  readonly store: Store<Tx>;
  readonly leases: Leases;
  readonly waiters: Waiters;
  readonly sealing: Sealing;
  readonly emit: Emit;
  /** Asked before the store; `undefined` where there are none. */
  readonly layers: Layers | undefined;
  /** What carries queued work to workers; `undefined` where nothing is queued. */
  readonly jobs: Jobs<Tx> | undefined;
}

export const identityOf = ({ scope, procedure, key }: RunRequest): OperationIdentity => ({
  scope,
  procedure,
  key,
});

export function askingOf<Tx>({ sealing }: EngineContext<Tx>, request: RunRequest): Asking {
  const { fingerprint, ageMs, policy } = request;
  return {
    judge: (stored) => sealing.judge(stored, fingerprint, request),
    ageMs,
    ttlMs: policy.ttlMs,
    mismatch: policy.mismatch,
    continues: policy.mode !== 'atomic',
    queued: policy.mode === 'queued',
  };
}

/** The fingerprint as a new operation's record gets it: its form says that the operation is sealed. */
export function storedFingerprint<Tx>({ sealing }: EngineContext<Tx>, request: RunRequest): string {
  const { encrypt } = request.policy;
  // Adapters refuse it when the procedure is defined; nothing may be stored in plain because one forgot.
  if (encrypt === true && !sealing.configured) throw new Error('encrypt: true needs a key ring');
  return sealing.fingerprint(request.fingerprint, request, encrypt !== false);
}

/** Only what identifies: a record or a claim also holds the owner, the fingerprint and the outcome, which events never carry. */
export function subjectOf(
  { scope, procedure, key }: OperationIdentity,
  operation?: { readonly operationId?: string; readonly attempt?: number },
): EventSubject {
  const operationId = operation?.operationId;
  const attempt = operation?.attempt;
  if (operationId === undefined) return { scope, procedure, key };
  return attempt === undefined
    ? { scope, procedure, key, operationId }
    : { scope, procedure, key, operationId, attempt };
}

/** A refusal of the engine: what the wire calls a problem. Never changes an operation's record. */
export function refused<Tx>(
  context: EngineContext<Tx>,
  request: RunRequest,
  code: ProblemCode,
  details: { record?: OperationRecord | undefined; retryAfterMs?: number | undefined; cause?: unknown } = {},
): RunResult {
  const { record, retryAfterMs, cause } = details;
  const fields: Partial<Omit<IdempotencyProblem, 'contract' | 'code' | 'retryable'>> = {
    ...(record && { operationId: record.operationId, state: record.state, attempt: record.attempt }),
    ...(record?.expiresAt !== undefined && { expiresAt: new Date(record.expiresAt).toISOString() }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
  context.emit({ type: 'refused', code, ...subjectOf(request, record) });
  return { kind: 'refused', problem: createProblem(code, fields), ...(cause !== undefined && { cause }) };
}
