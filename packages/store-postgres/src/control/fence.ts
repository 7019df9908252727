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
import { PURGED_FINGERPRINT } from '@semel/server/store';
import { outcomeOf, type SettleRow } from '../batching/settlements.ts';
import type { Writes } from '../batching/writes.ts';
import type { Control } from '../connections/pools.ts';
import type { Statements } from '../statements/all.ts';

export type Rejection = Omit<RejectedTransition, 'count' | 'firstAt' | 'lastAt'>;
type EndWithWord = Settlement & { readonly lastError: string };
type Overtaken = Extract<SettleResult, { kind: 'overtaken' }>;

export function isHeldBy(record: OperationRecord, claim: Claim): boolean {
  return record.state === 'processing' && isOf(record, claim);
}

/** This owner and attempt has ended so already; its acknowledgement got lost, and it may have been purged since. */
export function isSettledSo(record: OperationRecord, claim: Claim, settlement: Settlement): boolean {
  const sameOutcome = record.outcome === outcomeOf(settlement) || record.fingerprint === PURGED_FINGERPRINT;
  return record.state === settlement.to && isOf(record, claim) && sameOutcome;
}

function isOf(record: OperationRecord, claim: Claim): boolean {
  return (
    record.operationId === claim.operationId &&
    record.owner === claim.owner &&
    record.attempt === claim.attempt
  );
}

/** Leaves word of what went wrong beside the record, in more places than a statement for many writes. */
export function leavesWord(settlement: Settlement): settlement is EndWithWord {
  return 'lastError' in settlement && settlement.lastError !== undefined;
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
  writes: Pick<Writes, 'settle' | 'recordStep'>,
  reads: Pick<Store, 'find' | 'lookup'>,
): Fence {
  /** The ends that leave word stand alone: no batch gets them. */
  async function endWithWord(claim: Claim, end: EndWithWord, { actor, traceId }: Trace): Promise<SettleRow> {
    if (claim.policy.mode !== 'queued' && end.to !== 'suspended')
      throw new TypeError(`Only a queued attempt can be ${end.cause}`);
    const { operationId, owner, attempt } = claim;
    const values = [operationId, owner, attempt, end.lastError, actor, traceId ?? null];
    const [row] = await control.run(
      end.to === 'accepted'
        ? [statements.reschedule, [...values, end.delayMs, end.uncounted ? 1 : 0]]
        : [end.to === 'dead' ? statements.exhaust : statements.suspend, values],
    );
    return row === undefined ? undefined : null;
  }

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
      const isQueued = claim.policy.mode === 'queued';
      const written =
        leavesWord(settlement) && (isQueued || settlement.to !== 'suspended')
          ? await endWithWord(claim, settlement, trace)
          : await writes.settle({ claim, settlement, trace });
      const found = written === undefined ? await reads.find(claim.operationId) : undefined;
      if (written === undefined && !(found && isSettledSo(found.record, claim, settlement))) {
        const attempted = { state: settlement.to, evidence: outcomeOf(settlement) };
        return overtaken(claim, attempted, found?.record, trace);
      }
      // It may have been recovery that suspended it: that had nothing to say.
      if (written === undefined && leavesWord(settlement) && settlement.to === 'suspended')
        await control.run([statements.leaveWord, [claim.operationId, settlement.lastError]]);
      const expiresAt = written === undefined ? found?.record.expiresAt : written;
      return typeof expiresAt === 'number' ? { kind: 'settled', expiresAt } : { kind: 'settled' };
    },

    async recordStep(claim, step: StepRecord, trace) {
      if (await writes.recordStep({ claim, step })) return { kind: 'recorded' };
      const stored = (await reads.find(claim.operationId))?.record;
      return overtaken(claim, { state: 'step', evidence: step.result }, stored, trace);
    },
  };
}
