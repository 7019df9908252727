import { describe, expect, test } from 'vitest';
import { runCase } from './case.ts';
import { describeJournal } from './describe-journal.ts';
import { journalSuite } from './suite.ts';
import { makeJournal, wrongJournals } from './wrong-journals.ts';

const cases = new Map(journalSuite.flatMap((group) => group.cases.map((each) => [each.title, each])));

describeJournal('a right journal', makeJournal());

describe('the journal suite fails a journal that', () => {
  test.each(wrongJournals)('$mistake', async ({ caughtBy, make }) => {
    const named = cases.get(caughtBy);
    if (!named) throw new Error(`there is no case called: ${caughtBy}`);
    // An assertion of the suite says no, except where the journal itself refuses to go on.
    const failure = await runCase(make, named).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    expect((failure as Error).message).not.toContain('there is no case');
  });
});

test('the journal suite names each of its cases once', () => {
  expect(cases.size).toBe(journalSuite.flatMap((group) => group.cases).length);
});
