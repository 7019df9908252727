import { isOpen, type Journal, type JournalRecord, nameOf } from './journal.ts';
import { sturdy } from './sturdy.ts';

const STORE = 'operations';

/** Options of `indexedDbJournal`. */
export interface IndexedDbJournalOptions {
  /** Name of the database. @default 'semel' */
  name?: string;
  /** @default the global one */
  indexedDB?: IDBFactory;
}

/**
 * A journal in IndexedDB: survives reloads and crashes, and two tabs never claim one intent under two keys. The claims of
 * a tick are one transaction. Opened at once, so that the first click needn't wait.
 *
 * Where the database can't be used (private mode, quota, blocked, deleted), the page goes on in memory and a
 * `journal_error` event says so. Inputs, where `persistInput` allows them, are kept if they can be cloned.
 */
export function indexedDbJournal({
  name = 'semel',
  indexedDB: factory,
}: IndexedDbJournalOptions = {}): Journal {
  let opened: Promise<IDBDatabase> | undefined;
  const open = () => {
    opened ??= new Promise<IDBDatabase>((resolve, reject) => {
      const request = (factory ?? indexedDB).open(name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        const db = request.result;
        // Closed by the browser, or asked to make way for a deletion: the next write opens it again.
        db.onclose = forget;
        db.onversionchange = () => {
          db.close();
          forget();
        };
        resolve(db);
      };
    });
    opened.catch(forget);
    return opened;
  };
  const forget = () => {
    opened = undefined;
  };
  /** Runs one transaction; resolves when it is committed. */
  const transaction = async <T>(mode: IDBTransactionMode, body: (store: IDBObjectStore) => T): Promise<T> => {
    const db = await open();
    return new Promise((resolve, reject) => {
      const tx = db.transaction(STORE, mode);
      tx.onabort = () => reject(tx.error);
      const value = body(tx.objectStore(STORE));
      tx.oncomplete = () => resolve(value);
    });
  };
  const put = (store: IDBObjectStore, record: JournalRecord) => {
    try {
      store.put(record, nameOf(record));
    } catch {
      // An input that can't be cloned (a form, a stream): its key matters more.
      store.put({ ...record, input: undefined }, nameOf(record));
    }
  };
  /** Looks at what is there of each record and acts on it, in one transaction. */
  const change = (
    records: readonly JournalRecord[],
    act: (
      store: IDBObjectStore,
      found: JournalRecord | undefined,
      record: JournalRecord,
      i: number,
    ) => unknown,
  ) =>
    transaction('readwrite', (store) => {
      for (const [i, record] of records.entries()) {
        const request = store.get(nameOf(record));
        request.onsuccess = () => {
          act(store, request.result, record, i);
          // Or the database would answer the last write first, and only then learn that there is no more.
          if (i === records.length - 1) store.transaction.commit?.();
        };
      }
    });
  void open();
  return sturdy({
    async claim(records) {
      const all = [...records];
      await change(records, (store, found, record, i) => {
        if (found) all[i] = found;
        else put(store, record);
      });
      return all;
    },
    update: (record) => change([record], (store, found) => isOpen(found, record) && put(store, record)),
    settle: (record) =>
      change([record], (store, found) => found?.key === record.key && store.delete(nameOf(record))),
    list: async () => (await transaction('readonly', (store) => store.getAll())).result,
  });
}
