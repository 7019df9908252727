// Every journal against the one suite; a real browser's storages are tested in one.
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describeJournal } from '@semel/testing';
import { IDBFactory } from 'fake-indexeddb';
import { expect, it } from 'vitest';
import { fileJournal } from '../file.ts';
import { type JournalRecord, memoryJournal } from '../index.ts';
import { indexedDbJournal } from '../indexeddb.ts';
import { sqliteJournal } from '../sqlite.ts';
import { MapStorage } from '../test-rig/map-storage.ts';
import { webStorageJournal } from '../web-storage.ts';

const promised = (request: IDBRequest): Promise<unknown> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

describeJournal('the memory journal', () => ({ journal: memoryJournal() }));

describeJournal('the web storage journal', () => {
  const storage = new MapStorage();
  const open = () => webStorageJournal(() => storage);
  return {
    journal: open(),
    second: open,
    break() {
      storage.blocked = true;
    },
    clear: storage.clear,
  };
});

describeJournal('the IndexedDB journal', () => {
  const real = new IDBFactory();
  let broken = false;
  const factory = new Proxy(real, {
    get(target, name) {
      if (name !== 'open') return Reflect.get(target, name);
      if (broken) throw new DOMException('not in this mode', 'InvalidStateError');
      return target.open.bind(target);
    },
  });
  const open = () => indexedDbJournal({ indexedDB: factory });
  return {
    journal: open(),
    second: open,
    async break() {
      broken = true;
      await promised(real.deleteDatabase('semel'));
    },
    async clear() {
      const db = (await promised(real.open('semel'))) as IDBDatabase;
      await promised(db.transaction('operations', 'readwrite').objectStore('operations').clear());
      db.close();
    },
  };
});

describeJournal('the file journal', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'semel-journal-'));
  const directory = join(parent, 'journal');
  const open = () => fileJournal(directory);
  return {
    journal: open(),
    second: open,
    async break() {
      await rm(directory, { recursive: true, force: true });
      await writeFile(directory, 'no directory');
    },
    clear: () => rm(directory, { recursive: true }),
    close: () => rm(parent, { recursive: true }),
  };
});

describeJournal('the SQLite journal', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'semel-journal-'));
  const database = new DatabaseSync(join(directory, 'journal.db'));
  const open: DatabaseSync[] = [];
  return {
    journal: sqliteJournal(database),
    second() {
      const other = new DatabaseSync(join(directory, 'journal.db'));
      open.push(other);
      return sqliteJournal(other);
    },
    break: () => database.close(),
    clear: () => database.exec('delete from semel_operations'),
    async close() {
      for (const each of [database, ...open]) if (each.isOpen) each.close();
      await rm(directory, { recursive: true });
    },
  };
});

const record = (members: Partial<JournalRecord> = {}): JournalRecord => ({
  path: 'orders.create',
  key: 'k',
  createdAt: 1,
  attempts: 0,
  state: 'sending',
  ...members,
});

it('IndexedDB is opened again after its database was deleted under an open page', async () => {
  const factory = new IDBFactory();
  const journal = indexedDbJournal({ indexedDB: factory });
  await journal.claim(record({ key: 'k1', state: 'completed', intent: 'a' }));
  await promised(factory.deleteDatabase('semel'));
  await journal.claim(record({ key: 'k2', intent: 'b' }));
  const later = await indexedDbJournal({ indexedDB: factory }).list();
  expect(later.map(({ key }) => key)).toEqual(['k2']);
});

it('a database that never opens costs a second, once for all claims of a tick, and not the payment', async () => {
  const hanging = { open: () => ({}) } as never;
  const journal = indexedDbJournal({ indexedDB: hanging });
  const errors: unknown[] = [];
  journal.attach?.({ required: false, report: (error) => errors.push(error) });
  const records = [record({ key: 'k1' }), record({ key: 'k2' })];
  expect(await Promise.all(records.map(async (each) => journal.claim(each)))).toEqual(records);
  expect(errors).toEqual([new Error('the journal takes too long')]);
});

it('a full web storage keeps what was written before and goes on in memory', async () => {
  const storage = new MapStorage();
  const journal = webStorageJournal(storage);
  const errors: unknown[] = [];
  journal.attach?.({ required: false, report: (error) => errors.push((error as Error).name) });
  await journal.claim(record({ key: 'k1' }));
  storage.full = true;
  expect(await journal.claim(record({ key: 'k2' }))).toMatchObject({ key: 'k2' });
  expect((await journal.list()).map(({ key }) => key)).toEqual(['k1', 'k2']);
  expect(errors).toEqual(['QuotaExceededError']);
});

it('web storage leaves other items alone, also those that look like records', async () => {
  const storage = new MapStorage();
  storage.setItem('theme', 'dark');
  storage.setItem('semel:scribble', '{not json');
  const journal = webStorageJournal(storage);
  await journal.claim(record());
  await journal.settle(record());
  expect(await journal.list()).toEqual([]);
  expect(storage.getItem('theme')).toBe('dark');
});

it('files are for their owner only, named without content, and leave no drafts', async () => {
  const directory = join(await mkdtemp(join(tmpdir(), 'semel-journal-')), 'journal');
  const journal = fileJournal(directory);
  await Promise.all(
    Array.from({ length: 20 }, async (_, i) => journal.claim(record({ key: `k${i % 10}`, createdAt: i }))),
  );
  const names = await readdir(directory);
  expect(names).toHaveLength(10);
  for (const name of names) {
    expect(name).toMatch(/^[0-9a-f]{64}\.json$/);
    expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
  }
  await writeFile(join(directory, 'broken.json'), '{');
  await mkdir(join(directory, 'folder'));
  expect(await journal.list()).toHaveLength(10);
});

it.each([
  ['IndexedDB', () => indexedDbJournal({ indexedDB: new IDBFactory() }), { body: () => {} }],
  ['web storage', () => webStorageJournal(new MapStorage()), { cents: 5n }],
  ['SQLite', () => sqliteJournal(new DatabaseSync(':memory:')), { cents: 5n }],
])('%s keeps the key of an action whose input it can’t keep', async (_, make, input) => {
  const journal = make();
  const errors: unknown[] = [];
  journal.attach?.({ required: true, report: (error) => errors.push(error) });
  await Promise.all([
    journal.claim(record({ key: 'k1', input })),
    journal.claim(record({ key: 'k2', input: { n: 1 } })),
  ]);
  const found = await journal.list();
  expect(found.map(({ key }) => key).sort()).toEqual(['k1', 'k2']);
  expect(errors).toEqual([]);
});
