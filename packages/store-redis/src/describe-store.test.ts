import { createProcessLayer } from '@semel/server';
import { checksum, createLayers, createMemoryStore, type Layer } from '@semel/server/store';
import { describeStore } from '@semel/testing';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createRedisLayer, type RedisLayer } from './redis-layer.ts';
import { askedFirst } from './testing/asked-first.ts';
import { type Database, openDatabase, randomName } from './testing/fixture.ts';
import { createLyingLayer, LIES, type Lie } from './testing/lying-layer.ts';
import { type RedisServer, startRedisServer } from './testing/redis-server.ts';

let redis: RedisServer;
let db: Database;
let travelled = 0;
const clock = () => Date.now() + travelled;
const quiet = { emit: () => {}, answered: () => {} };
const over = (...layers: Layer[]) => createLayers({ layers, seal: checksum, clock, ...quiet });

beforeAll(async () => {
  [redis, db] = await Promise.all([startRedisServer(), openDatabase('layered')]);
});
afterAll(() => Promise.all([redis.close(), db.close()]));

describe('Redis in front of Postgres', () => {
  let layer: RedisLayer;
  const counts: (() => number)[] = [];
  beforeAll(async () => {
    // Time enough: here a layer that gives up early would only make the suite see less.
    layer = createRedisLayer({ connection: redis.url, prefix: `${randomName()}:`, timeoutMs: 2000 });
    await vi.waitFor(async () => expect(await layer.ready()).toBe(true), 20_000);
  });
  afterAll(() => layer.close());

  describeStore<pg.ClientBase>('Postgres behind Redis and a process layer', {
    async open() {
      const first = askedFirst(db.store(), over(createProcessLayer(), layer));
      counts.push(first.hits);
      return {
        store: first.store,
        second: async () => askedFirst(db.store(), over(layer)).store,
        effects: {
          write: db.effect,
          count: async (label) => (await db.effects()).get(label) ?? 0,
        },
        async travel(ms) {
          travelled += ms;
          await db.travel(ms);
        },
        breakTransaction: async (tx) => void (await tx.query('SELECT 1 / 0').catch(() => {})),
        commitBehindTheBack: async (tx) => void (await tx.query('COMMIT')),
        close: () => first.store.close(),
      };
    },
  });

  test('the layers knew something to be held against the authority', () => {
    expect(counts.reduce((sum, hits) => sum + hits(), 0)).toBeGreaterThan(20);
  });
});

/** CI and `SEMEL_LONG=1` switch each lie on alone as well; a quick run is content with all of them at once. */
const isLong = process.env.CI === 'true' || process.env.SEMEL_LONG === '1';
const alone = LIES.filter((lie) => lie !== 'truth').map((lie) => [lie, ['truth', lie, lie]] as const);

describe.each<readonly [string, readonly Lie[]]>([['tells every lie', LIES], ...(isLong ? alone : [])])(
  'a layer that %s',
  (what, lies) => {
    const counts: (() => number)[] = [];
    const lying = createLyingLayer(lies);

    describeStore(`a store behind a layer that ${what}`, {
      async open() {
        let now = 1_800_000_000_000;
        let writes = 0;
        const memory = createMemoryStore({ clock: () => now });
        const layers = createLayers({ layers: [lying], seal: checksum, clock: () => now, ...quiet });
        const first = askedFirst(memory, layers);
        counts.push(first.hits);
        const written = (label: string) =>
          [...memory.committed.keys()].filter((key) => key.startsWith(`${label}#`));
        return {
          store: first.store,
          effects: {
            write: async (tx, label) => tx.set(`${label}#${writes++}`, true),
            count: async (label) => written(label).length,
          },
          travel: async (ms) => {
            now += ms;
          },
          close: () => memory.close(),
        };
      },
    });

    test('it was asked, knew something, and has told each lie', () => {
      expect(counts.reduce((sum, hits) => sum + hits(), 0)).toBeGreaterThan(10);
      expect(lies.filter((lie) => lying.told[lie] <= 5)).toEqual([]);
    });
  },
);

describe.runIf(process.env.SEMEL_LONG === '1')('a layer that tells every lie, in front of Postgres', () => {
  const lying = createLyingLayer();
  describeStore<pg.ClientBase>('Postgres behind a layer that tells every lie', {
    async open() {
      const first = askedFirst(db.store(), over(lying));
      return {
        store: first.store,
        second: async () => askedFirst(db.store(), over(lying)).store,
        effects: { write: db.effect, count: async (label) => (await db.effects()).get(label) ?? 0 },
        async travel(ms) {
          travelled += ms;
          await db.travel(ms);
        },
        breakTransaction: async (tx) => void (await tx.query('SELECT 1 / 0').catch(() => {})),
        commitBehindTheBack: async (tx) => void (await tx.query('COMMIT')),
        close: () => first.store.close(),
      };
    },
  });
});
