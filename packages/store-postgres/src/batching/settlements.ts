import type { Claim, Settlement, Trace } from '@semel/server/store';
import { numberArray, textArray } from '../connections/array-literal.ts';
import type { Control } from '../connections/pools.ts';
import type { Statements } from '../statements/all.ts';
import { type Kind, SINGLY } from './gathering.ts';
import { onePerOperation } from './one-per-operation.ts';

export interface SettleCall {
  readonly claim: Claim;
  readonly settlement: Settlement;
  readonly trace: Trace;
}

/** `expiresAt` (null where it doesn't expire) if the attempt held the operation, else `undefined`. */
export type SettleRow = number | null | undefined;

export const outcomeOf = (settlement: Settlement): string | undefined =>
  'outcome' in settlement ? settlement.outcome : undefined;

/** What a suspended attempt leaves for whoever decides. */
const wordOf = (settlement: Settlement): string | undefined =>
  settlement.to === 'suspended' ? settlement.lastError : undefined;

export function settleKind(control: Control, statements: Statements): Kind<SettleCall, SettleRow> {
  return {
    weigh: ({ settlement }) => (outcomeOf(settlement) ?? wordOf(settlement) ?? '').length,

    async one({ claim, settlement, trace }) {
      const { operationId, owner, attempt } = claim;
      const { to, cause } = settlement;
      const word = wordOf(settlement);
      if (word !== undefined) {
        const left = [operationId, owner, attempt, word, trace.actor, trace.traceId ?? null];
        return (await control.run([statements.suspend, left])).length === 0 ? undefined : null;
      }
      const outcome = outcomeOf(settlement) ?? null;
      const values = [operationId, owner, attempt, to, cause, outcome, trace.actor, trace.traceId ?? null];
      const [row] = await control.run([statements.settle, values]);
      return row?.[0] as SettleRow;
    },

    async many(calls) {
      const first = onePerOperation(calls, ({ claim }) => claim.operationId);
      const words = first.map(({ settlement }) => wordOf(settlement));
      const rows = await control.run(
        words.some((word) => word !== undefined)
          ? [statements.settleManyWithWords, [...settleManyValues(first), textArray(words)]]
          : [statements.settleMany, settleManyValues(first)],
      );
      const settled = new Map(
        rows.map(([position, at]) => [first[(position as number) - 1], at as SettleRow]),
      );
      // Not among them: overtaken, or settled already, or locked by somebody. Alone it waits, and finds out.
      return calls.map((call) => (settled.has(call) ? settled.get(call) : SINGLY));
    },
  };
}

function settleManyValues(calls: readonly SettleCall[]): string[] {
  return [
    textArray(calls.map(({ claim }) => claim.operationId)),
    textArray(calls.map(({ claim }) => claim.owner)),
    numberArray(calls.map(({ claim }) => claim.attempt)),
    textArray(calls.map(({ settlement }) => settlement.to)),
    textArray(calls.map(({ settlement }) => settlement.cause)),
    textArray(calls.map(({ settlement }) => outcomeOf(settlement))),
    textArray(calls.map(({ trace }) => trace.actor)),
    textArray(calls.map(({ trace }) => trace.traceId)),
  ];
}
