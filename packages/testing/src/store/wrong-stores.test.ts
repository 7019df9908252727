import { describe, expect, test } from 'vitest';
import { runCase } from './case.ts';
import { createMemoryHarness } from './memory-harness.ts';
import { storeSuite } from './suite.ts';
import { wrongStores } from './wrong-stores.ts';

const cases = new Map(storeSuite.flatMap((group) => group.cases.map((each) => [each.title, each])));

describe('the store suite fails a store that', () => {
  for (const { mistake, caughtBy, make } of wrongStores)
    test(mistake, async () => {
      expect(caughtBy.length).toBeGreaterThan(0);
      for (const title of caughtBy) {
        const named = cases.get(title);
        expect(named, `a case called: ${title}`).toBeDefined();
        if (named === undefined) continue;
        // An assertion of the suite says no; a wrong store that merely crashes proves nothing.
        const failure = await runCase(createMemoryHarness(make), named).catch((error: unknown) => error);
        expect(isAssertion(failure), `"${title}" fails by an assertion, not with: ${String(failure)}`).toBe(
          true,
        );
      }
    });
});

test('the store suite names each of its cases once', () => {
  expect(cases.size).toBe(storeSuite.flatMap((group) => group.cases).length);
});

function isAssertion(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // fast-check reports the assertion that failed as the cause of its own error.
  return error.name === 'AssertionError' || isAssertion(error.cause);
}
