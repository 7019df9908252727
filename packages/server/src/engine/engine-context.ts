import { createProblem, type IdempotencyProblem, type ProblemCode } from '@semel/contract/v1/pure';
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
  readonly emit: Emit;
}

export const identityOf = ({ scope, procedure, key }: RunRequest): OperationIdentity => ({
  scope,
  procedure,
  key,
});

/** One unambiguous string for an identity, for maps within this process. */
export const identityKey = ({ scope, procedure, key }: OperationIdentity): string =>
  `${scope.length}:${scope}${procedure.length}:${procedure}${key}`;

export const askingOf = ({ fingerprint, ageMs, policy }: RunRequest): Asking => ({
  fingerprint,
  ageMs,
  ttlMs: policy.ttlMs,
  mismatch: policy.mismatch,
  continues: policy.mode !== 'atomic',
});

/** Only what identifies: a record or a claim also holds the owner, the fingerprint and the outcome, which events never carry. */
export const subjectOf = (
  { scope, procedure, key }: RunRequest,
  operation?: { readonly operationId?: string; readonly attempt?: number },
): EventSubject => ({
  scope,
  procedure,
  key,
  ...(operation?.operationId !== undefined && { operationId: operation.operationId }),
  ...(operation?.attempt !== undefined && { attempt: operation.attempt }),
});

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

/** The stored answer. Replays only read. */
export function replayed<Tx>(
  context: EngineContext<Tx>,
  request: RunRequest,
  record: OperationRecord,
  layer: 'process' | 'store' = 'store',
): RunResult {
  const outcome = request.outcomes.toOutcome(record.outcome);
  const { operationId } = record;
  if (outcome.kind === 'gone') return refused(context, request, 'outcome_gone', { record });
  context.emit({ type: 'replayed', outcome: outcome.kind, layer, ...subjectOf(request, record) });
  return outcome.kind === 'completed'
    ? { kind: 'completed', value: outcome.value, replayed: true, operationId }
    : { kind: 'failed', error: outcome.error, replayed: true, operationId };
}
