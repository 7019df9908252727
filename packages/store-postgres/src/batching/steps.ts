import type { Claim, StepRecord } from '@semel/server/store';
import { numberArray, textArray } from '../connections/array-literal.ts';
import type { Control } from '../connections/pools.ts';
import type { Statements } from '../statements/all.ts';
import { type Kind, SINGLY } from './gathering.ts';

export interface StepCall {
  readonly claim: Claim;
  readonly step: StepRecord;
}

/** Whether the attempt holds the operation: then the step is recorded. */
export function stepKind(control: Control, statements: Statements): Kind<StepCall, boolean> {
  return {
    weigh: ({ step }) => step.result.length,

    async one({ claim, step }) {
      const { operationId, owner, attempt } = claim;
      const values = [operationId, owner, attempt, step.name, step.kind, step.fingerprint, step.result];
      const [row] = await control.run([statements.recordStep, values]);
      return row?.[0] === true;
    },

    async many(calls) {
      const rows = await control.run([statements.recordSteps, recordStepsValues(calls)]);
      const results: (boolean | typeof SINGLY)[] = calls.map(() => SINGLY);
      for (const [position] of rows) results[(position as number) - 1] = true;
      return results;
    },
  };
}

function recordStepsValues(calls: readonly StepCall[]): string[] {
  return [
    textArray(calls.map(({ claim }) => claim.operationId)),
    textArray(calls.map(({ claim }) => claim.owner)),
    numberArray(calls.map(({ claim }) => claim.attempt)),
    textArray(calls.map(({ step }) => step.name)),
    textArray(calls.map(({ step }) => step.kind)),
    textArray(calls.map(({ step }) => step.fingerprint)),
    textArray(calls.map(({ step }) => step.result)),
  ];
}
