import { describe, test } from 'vitest';
import { runCase } from './case.ts';
import type { MakeJournal } from './harness.ts';
import { journalSuite } from './suite.ts';

/**
 * Registers with vitest every case that a journal of `@semel/client` must pass. Cases that need what the journal doesn't
 * have are skipped and say why: a green run with skipped cases says less. That a write survives the death of its process
 * is not tested here.
 *
 * @param name how the journal is called in the report
 * @param make opens an empty one for each case
 */
export function describeJournal(name: string, make: MakeJournal): void {
  describe(`${name} keeps the promises of the journal port`, () => {
    for (const { subject, cases } of journalSuite)
      describe(subject, () => {
        for (const each of cases)
          test(each.title, async ({ skip }) => {
            const { skipped } = await runCase(make, each);
            if (skipped !== undefined) skip(skipped);
          });
      });
  });
}
