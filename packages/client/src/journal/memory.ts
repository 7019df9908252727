import { isOpen, type Journal, type JournalRecord, nameOf } from './journal.ts';

type AtOnce<T> = {
  [TName in keyof T]-?: T[TName] extends (...args: infer A) => infer R ? (...args: A) => Awaited<R> : never;
};

/** A journal whose methods all answer at once. */
export type SyncJournal = AtOnce<Pick<Journal, 'claim' | 'update' | 'settle' | 'list'>>;

/**
 * A journal that ends with the page: what is under way at a reload is forgotten.
 *
 * @param maxRecords the oldest record is dropped beyond that. @default 1_000
 */
export function memoryJournal(maxRecords = 1_000): SyncJournal {
  const records = new Map<string, JournalRecord>();
  return {
    claim(record) {
      const name = nameOf(record);
      const known = records.get(name);
      if (known) return known;
      records.set(name, record);
      if (records.size > maxRecords) records.delete(records.keys().next().value as string);
      return record;
    },
    update(record) {
      const name = nameOf(record);
      if (isOpen(records.get(name), record)) records.set(name, record);
    },
    settle(record) {
      const name = nameOf(record);
      if (records.get(name)?.key === record.key) records.delete(name);
    },
    list: () => [...records.values()],
  };
}
