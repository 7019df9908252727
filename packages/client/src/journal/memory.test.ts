import { expect, it } from 'vitest';
import type { JournalRecord } from './journal.ts';
import { memoryJournal } from './memory.ts';

const record = (key: string, path = 'a'): JournalRecord => ({
  path,
  key,
  createdAt: 1,
  attempts: 0,
  state: 'sending',
});

it('returns the record that is there, and lists what is not settled, oldest first', () => {
  const journal = memoryJournal();
  journal.claim(record('k1'));
  journal.claim(record('k2'));
  journal.update({ ...record('k1'), attempts: 2, state: 'unknown' });
  expect(journal.claim(record('k1'))).toMatchObject({ attempts: 2, state: 'unknown' });
  expect(journal.list().map(({ key }) => key)).toEqual(['k1', 'k2']);
  journal.settle(record('k1'));
  expect(journal.list().map(({ key }) => key)).toEqual(['k2']);
});

it('names a record by path and key: the same key on another procedure is another operation', () => {
  const journal = memoryJournal();
  journal.claim(record('k', 'a'));
  journal.claim(record('k', 'b'));
  journal.settle(record('k', 'a'));
  expect(journal.list()).toEqual([record('k', 'b')]);
});

it('doesn’t bring a settled record back', () => {
  const journal = memoryJournal();
  journal.claim(record('k'));
  journal.settle(record('k'));
  journal.update(record('k'));
  expect(journal.list()).toEqual([]);
});

it('is bounded: the oldest record goes first', () => {
  const journal = memoryJournal(2);
  for (const key of ['k1', 'k2', 'k3']) journal.claim(record(key));
  expect(journal.list().map(({ key }) => key)).toEqual(['k2', 'k3']);
});
