import { afterAll, describe, test } from 'vitest';
import { runCase } from './case.ts';
import type { StoreHarness } from './harness.ts';
import { storeSuite } from './suite.ts';

const LONG_MS = 180_000;

/**
 * Registers with vitest every case that a store of record must pass. A store that passes keeps the promises of the
 * `Store` port as far as tests can tell: races are run, not proven.
 *
 * Cases that need what the harness doesn't have are skipped and print the reason; so a green run with skipped cases
 * says less. Process-wide state is touched in one group only ("clock skew" replaces `Date` while its cases run), so a
 * file should not run its tests concurrently.
 *
 * @param name how the store is called in the report
 */
export function describeStore<Tx>(name: string, harness: StoreHarness<Tx>): void {
  describe(`${name} keeps the promises of the store port`, () => {
    const skippedBy = new Map<string, number>();
    for (const { subject, cases } of storeSuite)
      describe(subject, () => {
        for (const each of cases)
          test(each.title, each.isLong ? { timeout: LONG_MS } : {}, async ({ skip }) => {
            const { skipped } = await runCase(harness, each);
            if (skipped === undefined) return;
            skippedBy.set(skipped, (skippedBy.get(skipped) ?? 0) + 1);
            skip(skipped);
          });
      });
    afterAll(() => {
      for (const [reason, count] of skippedBy) console.info(`${name}: ${count} skipped: ${reason}`);
    });
  });
}
