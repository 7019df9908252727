import { isOpen, type Journal, type JournalRecord, nameOf } from './journal.ts';
import { sturdy } from './sturdy.ts';
import { textOf } from './text.ts';

type WebStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>;

/**
 * A journal in `localStorage` (or what looks like it): survives reloads, and is there where IndexedDB isn't.
 *
 * Web storage has no atomic claim. Claims are made under a Web Lock where there is one; in insecure contexts two tabs that
 * run one intent in the same instant can get two keys. Where that can happen, use `indexedDbJournal`.
 * Never give it `sessionStorage` to tell tabs apart: `window.open` copies that.
 *
 * Where the storage can't be used (private mode, quota), the page goes on in memory and a `journal_error` event says so.
 * Inputs, where `persistInput` allows them, are kept as JSON.
 *
 * @param storage @default () => localStorage
 * @param prefix of its items. @default 'semel:'
 */
export function webStorageJournal(
  storage: WebStorage | (() => WebStorage) = () => localStorage,
  prefix = 'semel:',
): Journal {
  // Asked for each time: the mere getter throws where storage is blocked.
  const items = () => (typeof storage === 'function' ? storage() : storage);
  const read = (name: string): JournalRecord | undefined => {
    try {
      return JSON.parse(items().getItem(name) ?? 'null') ?? undefined;
    } catch (error) {
      // Somebody else's scribble is no record; a blocked storage is the caller's to know.
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  };
  const itemOf = (record: JournalRecord) => prefix + nameOf(record);
  const write = (record: JournalRecord) => items().setItem(itemOf(record), textOf(record));
  const claim = (records: readonly JournalRecord[]) =>
    records.map((record) => {
      const found = read(itemOf(record));
      if (!found) write(record);
      return found ?? record;
    });
  return sturdy({
    claim: (records) =>
      globalThis.navigator?.locks?.request(`${prefix}claim`, async () => claim(records)) ?? claim(records),
    update: (record) => isOpen(read(itemOf(record)), record) && write(record),
    settle: (record) => read(itemOf(record))?.key === record.key && items().removeItem(itemOf(record)),
    list() {
      const all = items();
      const names = Array.from({ length: all.length }, (_, i) => all.key(i) ?? '');
      return names
        .filter((name) => name.startsWith(prefix))
        .map(read)
        .filter((record) => record !== undefined);
    },
  });
}
