import type { OpenedStore, StoreHarness } from './harness.ts';
import { createStage, type Stage } from './stage.ts';

/** What a case can't do without, and not every store has. */
export type Need = 'transactions' | 'second' | 'breakTransaction' | 'commitBehindTheBack';

/** One fact about every store. A plain function, so that it runs under any runner and against wrong stores too. */
export interface StoreCase {
  readonly title: string;
  readonly needs?: readonly Need[];
  /** Asks thousands of times: on a busy machine that takes longer than one test usually may. */
  readonly isLong?: boolean;
  run(stage: Stage): Promise<void>;
}

export interface CaseGroup {
  readonly subject: string;
  readonly cases: readonly StoreCase[];
}

/** Cases that make sense only for a store with transactions. */
export function inTransactions(cases: readonly StoreCase[]): readonly StoreCase[] {
  return cases.map((each) => ({ ...each, needs: ['transactions', ...(each.needs ?? [])] }));
}

const WHY_SKIPPED: Record<Need, string> = {
  transactions: 'the store says that it has no transactions',
  second: 'the harness has no second view of the same records',
  breakTransaction: 'the harness cannot make a transaction fail inside',
  commitBehindTheBack: 'the harness cannot commit behind the back of the store',
};

/** Runs one case on a store opened for it. Resolves with the reason when it can't be run, rejects when it fails. */
export async function runCase(harness: StoreHarness, subject: StoreCase): Promise<{ skipped?: string }> {
  const opened = await harness.open();
  try {
    const missing = subject.needs?.find((need) => !has(opened, need));
    if (missing !== undefined) return { skipped: WHY_SKIPPED[missing] };
    await subject.run(createStage(opened));
    return {};
  } finally {
    await opened.close();
  }
}

function has(opened: OpenedStore, need: Need): boolean {
  return need === 'transactions' ? opened.store.capabilities.transactions : opened[need] !== undefined;
}
