import type { OperationState } from '@semel/contract/v1/pure';
import { type Entry, holds, settledSo } from './memory-operations.ts';
import type { createRejections } from './memory-rejections.ts';
import type { Table } from './memory-table.ts';
import type { Claim, Settlement, SettleResult, StepRecord, Trace } from './port.ts';

type Overtaken = Extract<SettleResult, { kind: 'overtaken' }>;

/** Every write that names an attempt goes through here: it holds the operation, or it is refused and kept as evidence. */
export function createFence(
  table: Table,
  rejections: ReturnType<typeof createRejections>,
  clock: () => number,
) {
  function successor(claim: Claim): Overtaken['by'] {
    // Once a successor was settled, expired and swept there is no record left: nothing runs and the next may.
    const { state, attempt } = table.at(claim)?.record ?? { state: 'released' as const, attempt: 0 };
    return { state, attempt };
  }

  function refuse(
    claim: Claim,
    attemptedState: OperationState | 'step',
    evidence: string | undefined,
    trace: Trace,
  ): Overtaken {
    const { state, attempt } = successor(claim);
    rejections.add({
      operationId: claim.operationId,
      storedState: state,
      storedAttempt: attempt,
      attemptedState,
      attemptedAttempt: claim.attempt,
      actor: trace.actor,
      ...(trace.traceId === undefined ? undefined : { traceId: trace.traceId }),
      ...(evidence === undefined ? undefined : { evidence }),
    });
    return { kind: 'overtaken', by: { state, attempt } };
  }

  function held(claim: Claim): Entry | undefined {
    const entry = table.byOperation.get(claim.operationId);
    return entry !== undefined && holds(entry.record, claim) ? entry : undefined;
  }

  return {
    held,

    /** `effects` are applied in the same step as the settlement, and not when this owner had settled before. */
    settle(claim: Claim, settlement: Settlement, trace: Trace, effects?: () => void): SettleResult {
      const entry = table.byOperation.get(claim.operationId);
      if (entry === undefined) return refuse(claim, settlement.to, evidenceOf(settlement), trace);
      if (holds(entry.record, claim)) {
        effects?.();
        table.end(entry, settlement, trace, clock());
      } else if (!settledSo(entry.record, claim, settlement))
        return refuse(claim, settlement.to, evidenceOf(settlement), trace);
      // It may have been recovery that suspended it: that had nothing to say.
      else if (settlement.to === 'suspended') entry.lastError ??= settlement.lastError;
      const { expiresAt } = entry.record;
      return expiresAt === undefined ? { kind: 'settled' } : { kind: 'settled', expiresAt };
    },

    /** `effects` are applied in the same step as the record, and not when the step was recorded before. */
    recordStep(
      claim: Claim,
      step: StepRecord,
      trace: Trace,
      effects?: () => void,
    ): { readonly kind: 'recorded' } | Overtaken {
      const entry = held(claim);
      if (entry === undefined) return refuse(claim, 'step', step.result, trace);
      entry.steps ??= new Map();
      if (!entry.steps.has(step.name)) {
        effects?.();
        entry.steps.set(step.name, step);
      }
      return { kind: 'recorded' };
    },

    /** A late word about progress is no evidence of anything: it is refused and not kept. */
    recordProgress(claim: Claim, value: string): { readonly kind: 'recorded' } | Overtaken {
      const entry = held(claim);
      if (entry === undefined) return { kind: 'overtaken', by: successor(claim) };
      entry.progress = { value, attempt: claim.attempt, at: clock() };
      return { kind: 'recorded' };
    },
  };
}

function evidenceOf(settlement: Settlement): string | undefined {
  return 'outcome' in settlement ? settlement.outcome : undefined;
}

export type Fence = ReturnType<typeof createFence>;
