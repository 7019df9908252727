import type { SemelEvent } from '@semel/server';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createRedisLayer, type RedisLayer } from './redis-layer.ts';
import { type Database, openDatabase, randomName } from './testing/fixture.ts';
import { startLoad } from './testing/load.ts';
import { type RedisServer, startRedisServer } from './testing/redis-server.ts';

// Each waits several times, each time as long as a busy machine may need.
vi.setConfig({ testTimeout: 180_000 });

// Redis breaks in the middle of load, in every way it can. Nothing may change but who answers.

let redis: RedisServer;
let db: Database;
let layer: RedisLayer;
let prefix: string;
const events: SemelEvent[] = [];
beforeEach(async () => {
  [redis, db] = await Promise.all([startRedisServer(), openDatabase('faults')]);
  events.length = 0;
  prefix = `${randomName()}:`;
  layer = createRedisLayer({ connection: redis.url, prefix });
  await expect.poll(() => layer.ready(), { timeout: 20_000 }).toBe(true);
});
afterEach(async () => {
  await layer.close();
  await Promise.all([redis.close(), db.close()]);
});

const load = () => startLoad({ db, layer, onEvent: (event) => events.push(event) });

const count = (type: SemelEvent['type']) => events.filter((event) => event.type === type).length;
const fromRedis = () => events.filter((event) => event.type === 'replayed' && event.layer === 'redis').length;

interface Fault {
  readonly what: string;
  /** Whether the layer has to be left out for a while. */
  readonly opens: boolean;
  begin(): Promise<unknown>;
  end?(): Promise<unknown>;
}

const faults: readonly Fault[] = [
  { what: 'its scripts are flushed', opens: false, begin: () => redis.admin.script('FLUSH') },
  { what: 'it is flushed', opens: false, begin: () => redis.admin.flushall() },
  {
    what: 'it is paused and goes on',
    opens: true,
    begin: async () => redis.pause(),
    end: async () => redis.resume(),
  },
  {
    what: 'it is killed and comes back empty',
    opens: true,
    begin: () => redis.kill(),
    end: () => redis.start(),
  },
  {
    what: 'it is full',
    opens: true,
    begin: () => redis.admin.config('SET', 'maxmemory', '1'),
    end: () => redis.admin.config('SET', 'maxmemory', '0'),
  },
  {
    what: 'it becomes a replica that can only be read',
    opens: true,
    begin: () => redis.admin.replicaof('127.0.0.1', 1),
    end: () => redis.admin.replicaof('NO', 'ONE'),
  },
  {
    what: 'its values are of another type',
    opens: false,
    async begin() {
      for (const key of await redis.admin.keys(`${prefix}*`)) {
        await redis.admin.multi().del(key).lpush(key, 'x').exec();
      }
    },
  },
];

test.each(faults)('under load, $what: each effect once, each answer the same', async (fault) => {
  const running = load();
  await running.more(300);
  await fault.begin();
  if (fault.opens) await expect.poll(() => count('layer_opened'), { timeout: 20_000 }).toBeGreaterThan(0);
  await running.more(150);
  await fault.end?.();
  if (fault.opens) {
    const isClosed = () => count('layer_closed') === count('layer_opened');
    await expect.poll(isClosed, { timeout: 20_000 }).toBe(true);
  }
  const before = fromRedis();
  await expect.poll(fromRedis, { timeout: 20_000 }).toBeGreaterThan(before + 20);
  const { wrong, twice, keys, effects } = await running.stop();
  expect({ wrong, twice }).toEqual({ wrong: [], twice: [] });
  expect(effects).toBe(keys);
});

test('under load, it comes back with an old snapshot: each effect once, each answer the same', async () => {
  const running = load();
  await running.more(200);
  await redis.admin.save();
  await running.more(200);
  await redis.kill();
  await expect.poll(() => count('layer_opened'), { timeout: 20_000 }).toBeGreaterThan(0);
  await redis.start();
  expect(await redis.admin.dbsize()).toBeGreaterThan(10);
  await expect.poll(() => count('layer_closed') === count('layer_opened'), { timeout: 20_000 }).toBe(true);
  await running.more(200);
  const { wrong, twice, keys, effects } = await running.stop();
  expect({ wrong, twice }).toEqual({ wrong: [], twice: [] });
  expect(effects).toBe(keys);
});

test('an outage is told once when it begins and once when it ends', async () => {
  const running = load();
  await running.more(100);
  redis.pause();
  await expect.poll(() => count('layer_opened'), { timeout: 20_000 }).toBe(1);
  await running.more(300);
  redis.resume();
  await expect.poll(() => count('layer_closed'), { timeout: 20_000 }).toBe(1);
  await running.stop();
  expect(count('layer_opened')).toBe(1);
});
