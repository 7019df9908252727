import { describe, expect, test } from 'vitest';
import { runCase } from './case.ts';
import { createMemoryJobsHarness } from './memory-harness.ts';
import { jobsSuite } from './suite.ts';
import { wrongJobs } from './wrong-jobs.ts';

const cases = new Map(jobsSuite.flatMap((group) => group.cases.map((each) => [each.title, each])));

/** A queue that loses jobs lets its case wait for ever: that is how it fails. No right queue in memory takes as long. */
const WAITED_IN_VAIN_MS = 4_000;

describe('the jobs suite fails a queue that', () => {
  for (const { mistake, caughtBy, make } of wrongJobs)
    test(mistake, async () => {
      expect(caughtBy.length).toBeGreaterThan(0);
      for (const title of caughtBy) {
        const named = cases.get(title);
        expect(named, `a case called: ${title}`).toBeDefined();
        if (named === undefined) continue;
        const failure = await Promise.race([
          runCase(createMemoryJobsHarness(make), named).catch((error: unknown) => error),
          new Promise((resolve) => setTimeout(resolve, WAITED_IN_VAIN_MS, 'waited in vain')),
        ]);
        // An assertion of the suite says no; a wrong queue that merely crashes proves nothing.
        const said = failure instanceof Error ? failure.name : failure;
        expect(['AssertionError', 'waited in vain'], `"${title}": ${String(failure)}`).toContain(said);
      }
    });
});

test('the jobs suite names each of its cases once', () => {
  expect(cases.size).toBe(jobsSuite.flatMap((group) => group.cases).length);
});
