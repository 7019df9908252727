import type { OperationState } from '@semel/contract/v1/pure';
import type {
  Claim,
  OperationRecord,
  RejectedTransition,
  Settlement,
  SettleResult,
  StepRecord,
  Store,
  Trace,
} from '@semel/server/store';
import type { Control } from '../connections/pools.ts';
import type { Statements } from '../statements/all.ts';

export type Rejection = Omit<RejectedTransition, 'count' | 'firstAt' | 'lastAt'>;
type Overtaken = Extract<SettleResult, { kind: 'overtaken' }>;

export function isHeldBy(record: OperationRecord, claim: Claim): boolean {
  return record.state === 'processing' && isOf(record, claim);
}

/** This owner and attempt has ended so already; its acknowledgement got lost. */
export function isSettledSo(record: OperationRecord, claim: Claim, settlement: Settlement): boolean {
  const outcome = 'outcome' in settlement ? settlement.outcome : undefined;
  return record.state === settlement.to && isOf(record, claim) && record.outcome === outcome;
}

function isOf(record: OperationRecord, claim: Claim): boolean {
  return (
    record.operationId === claim.operationId &&
    record.owner === claim.owner &&
    record.attempt === claim.attempt
  );
}

export interface Fence {
  settle: Store['settle'];
  recordStep: Store['recordStep'];
  recordRejected: Store['recordRejected'];
  /** Keeps what the late owner brought, in a transaction of its own, and says by whom it was overtaken. */
  overtaken(
    claim: Claim,
    attempted: { readonly state: OperationState | 'step'; readonly evidence: string | undefined },
    stored: OperationRecord | undefined,
    trace: Trace,
  ): Promise<Overtaken>;
}

/** Writes that name an attempt outside a transaction of the handler: the guard is inside the statement. */
export function createFence(
  control: Control,
  statements: Statements,
  reads: Pick<Store, 'find' | 'lookup'>,
): Fence {
  const holder = (claim: Claim) => [claim.operationId, claim.owner, claim.attempt];

  async function recordRejected(rejection: Rejection): Promise<void> {
    await control.run([
      statements.recordRejected,
      [
        rejection.operationId,
        rejection.storedState,
        rejection.storedAttempt,
        rejection.attemptedState,
        rejection.attemptedAttempt,
        rejection.actor,
        rejection.traceId ?? null,
        rejection.evidence ?? null,
      ],
    ]);
  }

  const overtaken: Fence['overtaken'] = async (claim, attempted, stored, trace) => {
    // A replaced operation has another id. If the key is gone too, its successor was settled, expired and swept:
    // nothing runs and the next may.
    const record = stored ?? (await reads.lookup(claim))?.record;
    const by = record
      ? { state: record.state, attempt: record.attempt }
      : { state: 'released' as const, attempt: 0 };
    await recordRejected({
      operationId: claim.operationId,
      storedState: by.state,
      storedAttempt: by.attempt,
      attemptedState: attempted.state,
      attemptedAttempt: claim.attempt,
      actor: trace.actor,
      ...(trace.traceId === undefined ? undefined : { traceId: trace.traceId }),
      ...(attempted.evidence === undefined ? undefined : { evidence: attempted.evidence }),
    });
    return { kind: 'overtaken', by };
  };

  return {
    recordRejected,
    overtaken,

    async settle(claim, settlement, trace) {
      const evidence = 'outcome' in settlement ? settlement.outcome : undefined;
      const { to, cause } = settlement;
      const values = [...holder(claim), to, cause, evidence ?? null, trace.actor, trace.traceId ?? null];
      const [row] = await control.run([statements.settle, values]);
      const found = row === undefined ? await reads.find(claim.operationId) : undefined;
      if (row === undefined && !(found && isSettledSo(found.record, claim, settlement))) {
        return overtaken(claim, { state: to, evidence }, found?.record, trace);
      }
      const expiresAt = row === undefined ? found?.record.expiresAt : row[0];
      return typeof expiresAt === 'number' ? { kind: 'settled', expiresAt } : { kind: 'settled' };
    },

    async recordStep(claim, step: StepRecord, trace) {
      const values = [...holder(claim), step.name, step.kind, step.fingerprint, step.result];
      const [row] = await control.run([statements.recordStep, values]);
      if (row?.[0] === true) return { kind: 'recorded' };
      const stored = (await reads.find(claim.operationId))?.record;
      return overtaken(claim, { state: 'step', evidence: step.result }, stored, trace);
    },
  };
}
