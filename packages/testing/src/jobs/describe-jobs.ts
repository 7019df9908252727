import { afterAll, describe, test } from 'vitest';
import { runCase } from './case.ts';
import type { JobsHarness } from './harness.ts';
import { jobsSuite } from './suite.ts';

/**
 * Registers with vitest every case that what carries jobs must pass. A queue that passes keeps the promises of the `Jobs`
 * port as far as tests can tell.
 *
 * Cases that need what the harness doesn't have are skipped and print the reason; so a green run with skipped cases says
 * less. A case waits as long as the runner lets it: killed workers may take a queue some time to notice.
 *
 * @param name how the queue is called in the report
 */
export function describeJobs<Tx>(name: string, harness: JobsHarness<Tx>): void {
  describe(`${name} keeps the promises of the jobs port`, () => {
    const skippedBy = new Map<string, number>();
    for (const { subject, cases } of jobsSuite)
      describe(subject, () => {
        for (const each of cases)
          test(each.title, { timeout: 60_000 }, async ({ skip }) => {
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
