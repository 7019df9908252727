import assert from 'node:assert/strict';
import type { Claim, RejectedTransition, SettleResult, Store } from '@semel/server/store';

export interface Refusal {
  readonly by: { readonly state: RejectedTransition['storedState']; readonly attempt: number };
  readonly attemptedState: RejectedTransition['attemptedState'];
  readonly evidence: string;
  /** @default 1 */
  readonly count?: number;
}

/** A late owner was told so, and what it brought lies on one counted row of its own, apart from the history. */
export async function assertRefused(
  store: Store,
  claim: Claim,
  result: { readonly kind: string } | SettleResult,
  { by, attemptedState, evidence, count = 1 }: Refusal,
): Promise<void> {
  assert.deepEqual(result, { kind: 'overtaken', by });
  const rows = (await store.rejected(claim.operationId)).filter((row) => row.evidence === evidence);
  assert.equal(rows.length, 1, 'one row for this evidence');
  const [row] = rows as [RejectedTransition];
  const { firstAt, lastAt, traceId: _, ...told } = row;
  assert.deepEqual(told, {
    operationId: claim.operationId,
    storedState: by.state,
    storedAttempt: by.attempt,
    attemptedState,
    attemptedAttempt: claim.attempt,
    actor: 'request',
    count,
    evidence,
  });
  assert.ok(firstAt <= lastAt);
}
