import type { JournalPort, MakeJournal, OpenedJournal, SuiteRecord } from './harness.ts';

type Records = Map<string, SuiteRecord>;
type Host = { required: boolean; report(error: unknown): void };

const nameOf = ({ scope, deployment, path, intent, key }: SuiteRecord) =>
  JSON.stringify([scope, deployment, path, intent === undefined ? key : [intent]]);

/** A journal that is right: over a storage (the map) and a memory of its own. Wrong ones replace a part of it. */
export interface Parts {
  name: (record: SuiteRecord) => string;
  isSame: (found: SuiteRecord | undefined, record: SuiteRecord) => boolean;
  /** Whether it may be updated. */
  isOpen: (found: SuiteRecord | undefined) => boolean;
  add: (records: Records, name: string, record: SuiteRecord) => SuiteRecord | Promise<SuiteRecord>;
  fallBack: (host: Host | undefined) => boolean;
  report: (host: Host | undefined, error: unknown) => void;
  list: (records: SuiteRecord[]) => SuiteRecord[];
  remember: boolean;
}

const right: Parts = {
  name: nameOf,
  isSame: (found, record) => found?.key === record.key,
  isOpen: (found) => found?.state !== 'completed',
  add(records, name, record) {
    const found = records.get(name) ?? record;
    records.set(name, found);
    return found;
  },
  fallBack: (host) => !host?.required,
  report: (host, error) => host?.report(error),
  list: (records) => records.sort((a, b) => a.createdAt - b.createdAt),
  remember: true,
};

export function makeJournal(parts: Partial<Parts> = {}): MakeJournal {
  const { name, isSame, isOpen, add, fallBack, report, list, remember } = { ...right, ...parts };
  return (): OpenedJournal => {
    const storage = { records: new Map() as Records, broken: false };
    const open = (): JournalPort => {
      const memory: Records = new Map();
      let host: Host | undefined;
      const use = (): Records => {
        if (storage.broken) throw new Error('the storage is broken');
        return storage.records;
      };
      const each = (act: (records: Records) => void) => {
        act(memory);
        try {
          act(use());
        } catch (error) {
          report(host, error);
        }
      };
      return {
        attach(to) {
          host = to;
        },
        async claim(record) {
          const id = name(record);
          const mine = remember ? (memory.get(id) ?? record) : record;
          try {
            const found = await add(use(), id, mine);
            if (found.state !== 'completed') memory.set(id, found);
            return found;
          } catch (error) {
            report(host, error);
            if (!fallBack(host)) throw error;
            memory.set(id, mine);
            return mine;
          }
        },
        async update(record) {
          each(
            (records) =>
              void (
                isOpen(records.get(name(record))) &&
                isSame(records.get(name(record)), record) &&
                records.set(name(record), record)
              ),
          );
          if (record.state === 'completed') memory.delete(name(record));
        },
        async settle(record) {
          each((records) => void (isSame(records.get(name(record)), record) && records.delete(name(record))));
        },
        async list() {
          const all = new Map(memory);
          if (!storage.broken) for (const [id, record] of storage.records) all.set(id, record);
          return list([...all.values()]);
        },
      };
    };
    return {
      journal: open(),
      second: open,
      break() {
        storage.broken = true;
      },
      clear: () => storage.records.clear(),
    };
  };
}

const task = () => new Promise((resolve) => setTimeout(resolve, 2));
let delay = 0;

/** Journals with one mistake each, by which the suite is measured. Not part of the package. */
export const wrongJournals: readonly { mistake: string; caughtBy: string; make: MakeJournal }[] = [
  {
    mistake: 'takes an action over from whoever began it',
    caughtBy: 'leaves and returns the record that is there',
    make: makeJournal({
      remember: false,
      add(records, name, record) {
        records.set(name, record);
        return record;
      },
    }),
  },
  {
    mistake: 'answers with a copy, so that nobody knows whether it was added',
    caughtBy: 'adds a record and returns that very object',
    make: makeJournal({
      add: (records, name, record) => ({ ...(right.add(records, name, record) as SuiteRecord) }),
    }),
  },
  {
    mistake: 'lets two users share an intent',
    caughtBy: 'keeps records apart by their scope',
    make: makeJournal({ name: (record) => nameOf({ ...record, scope: '' }) }),
  },
  {
    mistake: 'lets two deployments share an intent',
    caughtBy: 'keeps records apart by their deployment',
    make: makeJournal({ name: (record) => nameOf({ ...record, deployment: '' }) }),
  },
  {
    mistake: 'names a record by its intent or its key alone',
    caughtBy: 'keeps records apart by their procedure',
    make: makeJournal({ name: ({ intent, key }) => intent ?? key }),
  },
  {
    mistake: 'takes an intent for a key',
    caughtBy: 'keeps records apart by their intent, which isn’t a key of the same text',
    make: makeJournal({
      name: (record) => nameOf({ ...record, key: record.intent ?? record.key, intent: undefined }),
    }),
  },
  {
    mistake: 'looks and writes in two steps',
    caughtBy: 'gives an intent one key, whoever of two claims first',
    make: makeJournal({
      async add(records, name, record) {
        const found = records.get(name);
        await Promise.resolve();
        if (!found) records.set(name, record);
        return found ?? record;
      },
    }),
  },
  {
    mistake: 'answers each claim in a task of its own',
    caughtBy: 'resolves the claims of a tick before the next timer: they stay one batch',
    make: makeJournal({
      async add(records, name, record) {
        const found = right.add(records, name, record);
        delay += 1;
        for (let i = 0; i < delay % 10; i++) await task();
        return found;
      },
    }),
  },
  {
    mistake: 'updates what isn’t there',
    caughtBy: 'updates nothing that isn’t there',
    make: makeJournal({ isSame: (found, record) => found === undefined || found.key === record.key }),
  },
  {
    mistake: 'lets an old action change a new one',
    caughtBy: 'updates nothing that is there with another key: a later action of the same intent',
    make: makeJournal({ isSame: (found) => found !== undefined }),
  },
  {
    mistake: 'lets an old action end a new one',
    caughtBy: 'settles nothing that is there with another key',
    make: makeJournal({ isSame: (found) => found !== undefined }),
  },
  {
    mistake: 'lets a page that gave up undo what another has done',
    caughtBy: 'leaves what is completed as it is: a page that gave up may write late',
    make: makeJournal({ isOpen: () => true }),
  },
  {
    mistake: 'lists the newest first',
    caughtBy: 'lists everybody’s records, oldest first',
    make: makeJournal({ list: (records) => records.sort((a, b) => b.createdAt - a.createdAt) }),
  },
  {
    mistake: 'answers before it has written',
    caughtBy: 'has a claim written down when it answers, not later',
    make: makeJournal({
      add(records, name, record) {
        const found = records.get(name) ?? record;
        setTimeout(() => records.set(name, found), 5);
        return found;
      },
    }),
  },
  {
    mistake: 'stops payments when its storage fails',
    caughtBy: 'goes on in memory when the storage fails, and says so',
    make: makeJournal({ fallBack: () => false }),
  },
  {
    mistake: 'fails in silence',
    caughtBy: 'goes on in memory when the storage fails, and says so',
    make: makeJournal({ report: () => {} }),
  },
  {
    mistake: 'forgets what was begun when its storage fails',
    caughtBy: 'keeps the key of an action that was begun before the storage failed',
    make: makeJournal({ remember: false }),
  },
  {
    mistake: 'falls back to memory where that is forbidden',
    caughtBy: 'refuses to claim what it can’t write down, where that is required',
    make: makeJournal({ fallBack: () => true }),
  },
  {
    mistake: 'begins an open action anew after its storage was cleared',
    caughtBy: 'keeps the key of an open action when the storage is cleared under it',
    make: makeJournal({ remember: false }),
  },
];
