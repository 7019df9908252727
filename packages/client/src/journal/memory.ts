import type { Journal, JournalRecord } from './journal.ts';

const nameOf = (record: JournalRecord) => `${record.path} ${record.key}`;

/** A journal whose methods all answer at once. */
export type SyncJournal = {
  [TName in keyof Journal]: (...args: Parameters<Journal[TName]>) => Awaited<ReturnType<Journal[TName]>>;
};

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
      const known = records.get(name) ?? record;
      records.set(name, known);
      if (records.size > maxRecords) records.delete(records.keys().next().value as string);
      return known;
    },
    update(record) {
      if (records.has(nameOf(record))) records.set(nameOf(record), record);
    },
    settle: (record) => void records.delete(nameOf(record)),
    list: () => [...records.values()],
  };
}
