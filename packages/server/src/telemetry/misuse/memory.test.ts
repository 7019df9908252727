import { expect, test } from 'vitest';
import { clientVersionFrom, createBoundedLabel } from './client-version.ts';
import { createHasher, START } from './hash.ts';
import { createMisuseWatch, type WatchedCall } from './observer.ts';
import { createWindowTable, type Entry } from './window-table.ts';

const call = (about: Partial<WatchedCall>): WatchedCall => ({
  scope: 'acme',
  procedure: 'payments.create',
  key: 'key',
  fingerprint: 'v1:x',
  policy: { key: 'required' },
  clientVersion: 'acme-sdk/1.2.3',
  ...about,
});

test('a million keys, payloads, scopes and clients are remembered in as many places as there are', async () => {
  const watching = createMisuseWatch({ entries: 1024 }, () => {});
  const ended = Promise.resolve({ kind: 'completed' });
  const run = watching.watch((_call: WatchedCall, _handler: undefined) => ended);
  for (let i = 0; i < 1_000_000; i++) {
    const id = `${Math.random()}`;
    void run(call({ scope: id, key: id, fingerprint: id, clientVersion: id }), undefined);
    if (i % 1000 === 0) await ended;
  }
  expect(watching.remembered).toBe(3 * 1024);
}, 120_000);

test('a table gives each hash its own entry and the place of what was seen longest ago to a new one', () => {
  const table = createWindowTable<Entry & { name: string }>({
    entries: 4,
    windowMs: 1000,
    create: () => ({ since: 0, life: 0, name: '' }),
    forget(entry) {
      entry.name = '';
    },
    turn: () => {},
  });
  const hash = (lo: number) => ({ hi: 1, lo });
  for (const lo of [1, 2, 3, 4]) table.at(hash(lo), lo * 1000).name = `${lo}`;
  expect(table.at(hash(1), 5000).name).toBe('1');
  const life = table.at(hash(2), 2000).life;
  expect(table.at(hash(5), 6000)).toMatchObject({ name: '', life: life + 1 });
  expect([1, 3, 4].map((lo) => table.at(hash(lo), 7000).name)).toEqual(['1', '3', '4']);
  expect(table.at(hash(2), 8000).name).toBe('');
  expect(table.size).toBe(4);
});

test('a window begins when a thing is first seen, and turns when its time is over', () => {
  const turned: number[] = [];
  const table = createWindowTable<Entry>({
    entries: 4,
    windowMs: 1000,
    create: () => ({ since: 0, life: 0 }),
    forget: () => {},
    turn: (entry) => void turned.push(entry.since),
  });
  for (const now of [1700, 2000, 2699, 2700, 3699, 3700]) table.at({ hi: 0, lo: 0 }, now);
  expect(turned).toEqual([2700, 3700]);
});

test('texts that differ have hashes that differ, in every set alike', () => {
  const hash = createHasher([1, 2]);
  const texts = Array.from({ length: 100_000 }, (_, i) => `acme-${i}`);
  const hashes = texts.map((text) => hash(START, text));
  expect(new Set(hashes.map(({ hi, lo }) => `${hi}/${lo}`)).size).toBe(100_000);
  const perSet = new Map<number, number>();
  for (const { lo } of hashes) perSet.set(lo & 255, (perSet.get(lo & 255) ?? 0) + 1);
  // 391 each on average, with a standard deviation of 20.
  expect(perSet.size).toBe(256);
  expect(Math.max(...perSet.values())).toBeLessThan(500);
  expect(Math.min(...perSet.values())).toBeGreaterThan(290);
});

test('a hash goes by its seed, by where its parts begin, and by nothing but the characters asked for', () => {
  const hash = createHasher([1, 2]);
  const parts = (a: string, b: string) => hash(hash(START, a), b);
  expect(parts('ab', 'c')).not.toEqual(parts('a', 'bc'));
  expect(hash(START, 'order-17', 6)).toEqual(hash(START, 'order-'));
  expect(createHasher([1, 3])(START, 'a')).not.toEqual(hash(START, 'a'));
});

test.each([
  ['acme-sdk/1.2.3 (linux)', 'acme-sdk/1.2.3'],
  ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36', 'Mozilla/5.0'],
  ['  app/2.0+ios ', 'app/2.0+ios'],
  ['ada@example.org', 'ada'],
  ['"quoted"', ''],
  ['é', ''],
  ['', ''],
  [undefined, ''],
  [null, ''],
  ['x'.repeat(10_000), 'x'.repeat(64)],
])('a client that says %j is called %j', (said, name) => {
  expect(clientVersionFrom(said)).toBe(name);
});

test('the first names keep their label, all others share one', () => {
  const label = createBoundedLabel(2);
  expect(['a', 'b', 'c', 'a', 'd', '', undefined].map(label)).toEqual([
    'a',
    'b',
    '(other)',
    'a',
    '(other)',
    '(none)',
    '(none)',
  ]);
});
