import type { Journal, JournalHost, JournalRecord } from './journal.ts';
import { nameOf } from './journal.ts';
import { memoryJournal } from './memory.ts';

/** A storage that keeps records and may fail. Semantics as in `Journal`; claims come in groups. */
export interface Storing {
  claim(records: readonly JournalRecord[]): Promise<readonly JournalRecord[]> | readonly JournalRecord[];
  update(record: JournalRecord): unknown;
  settle(record: JournalRecord): unknown;
  list(): Promise<readonly JournalRecord[]> | readonly JournalRecord[];
}

/** A storage that takes longer counts as failed: a payment doesn't wait for a disk. */
const PATIENCE_MS = 1_000;

const inTime = async <T>(answer: T | Promise<T>): Promise<T> => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the journal takes too long')), PATIENCE_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
};

/**
 * Makes a journal of a storage. The claims of a tick are one write and resolve together. Beside the storage, what this
 * page has begun is kept in memory: when the storage is full, blocked, deleted or cleared, the page goes on with that (and
 * says so), and an action that is open in it keeps its key.
 */
export function sturdy(storage: Storing): Journal {
  const memory = memoryJournal();
  /** What the storage held when it was last looked at. */
  const seen = new Map<string, JournalRecord>();
  const hosts: JournalHost[] = [];
  let waiting: {
    record: JournalRecord;
    resolve: (found: JournalRecord) => void;
    reject: (error: unknown) => void;
  }[] = [];
  const report = (error: unknown, record?: JournalRecord) => {
    for (const host of hosts) host.report(error, record);
  };
  const flush = async () => {
    const group = waiting;
    waiting = [];
    const own = group.map(({ record }) => memory.claim(record));
    try {
      const found = await inTime(storage.claim(own));
      for (const [i, { resolve }] of group.entries()) {
        const mine = own[i] as JournalRecord;
        const there = found[i] as JournalRecord;
        if (there !== mine) {
          memory.settle(mine);
          if (there.state !== 'completed') memory.claim(there);
        }
        resolve(there);
      }
    } catch (error) {
      report(error, group[0]?.record);
      for (const [i, { record, resolve, reject }] of group.entries()) {
        const mine = own[i] as JournalRecord;
        if (hosts.some(({ required }) => required)) {
          if (mine === record) memory.settle(record);
          reject(error);
        } else {
          // What was seen there a moment ago keeps its key, or a resumed action would be done again under a new one.
          const left = mine === record && seen.get(nameOf(record));
          if (left) {
            memory.settle(record);
            memory.claim(left);
          }
          resolve(left || mine);
        }
      }
    }
  };
  const write = async (record: JournalRecord, act: (record: JournalRecord) => unknown) => {
    try {
      await inTime(act(record));
      return true;
    } catch (error) {
      return report(error, record);
    }
  };
  return {
    attach: (host) => void hosts.push(host),
    claim: (record) =>
      new Promise((resolve, reject) => {
        if (waiting.push({ record, resolve, reject }) === 1) queueMicrotask(() => void flush());
      }),
    async update(record) {
      memory.update(record);
      // What is done is the storage's alone, or another tab that ends it would go unnoticed here.
      if ((await write(record, storage.update)) && record.state === 'completed') memory.settle(record);
    },
    async settle(record) {
      memory.settle(record);
      await write(record, storage.settle);
    },
    async list() {
      const all = new Map(memory.list().map((record) => [nameOf(record), record]));
      try {
        const there = await inTime(storage.list());
        seen.clear();
        for (const record of there) {
          seen.set(nameOf(record), record);
          all.set(nameOf(record), record);
        }
      } catch (error) {
        report(error);
      }
      return [...all.values()].sort((a, b) => a.createdAt - b.createdAt);
    },
  };
}
