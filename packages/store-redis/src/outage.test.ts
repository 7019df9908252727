import { createSemel, type SemelEvent } from '@semel/server';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createRedisLayer, type RedisLayer } from './redis-layer.ts';
import { ask, askTogether } from './scripts/ask.ts';
import { type Database, openDatabase, randomName } from './testing/fixture.ts';
import { type RedisServer, startRedisServer } from './testing/redis-server.ts';

// Each waits several times, each time as long as a busy machine may need.
vi.setConfig({ testTimeout: 180_000 });

// What an outage costs, counted in what Redis was asked: it lists, once it goes on, all that it was sent meanwhile. Who asks once
// waits for one time-out; who doesn't ask waits for none.

let redis: RedisServer;
let db: Database;
let layer: RedisLayer;
beforeEach(async () => {
  [redis, db] = await Promise.all([startRedisServer(), openDatabase('outage')]);
  layer = createRedisLayer({ connection: redis.url, prefix: `${randomName()}:`, timeoutMs: 200 });
  await expect.poll(() => layer.ready(), { timeout: 20_000 }).toBe(true);
});
afterEach(async () => {
  await layer.close();
  await Promise.all([redis.close(), db.close()]);
});

/** So many callers with so many calls each while Redis stands still. @returns how often Redis was asked for each key */
async function standstill({ callers, calls }: { callers: number; calls: number }) {
  const events: SemelEvent[] = [];
  const onEvent = (event: SemelEvent): void => void events.push(event);
  const semel = createSemel({ store: db.store(), layers: [layer], recovery: false, onEvent });
  const happened = (type: SemelEvent['type']) => events.some((event) => event.type === type);
  const pay = (key: string) =>
    semel.run({ scope: 'tenant', name: 'pay', key, input: key, mode: 'atomic' }, ({ tx }) =>
      db.effect(tx, key),
    );
  await pay('before');

  const asked = new Map<string, number>();
  const monitor = await redis.admin.monitor();
  let isDone = false;
  monitor.on('monitor', (_time, [command, sha = '', count, ...args]: string[]) => {
    if (command === 'echo') isDone = true;
    if (command?.toLowerCase() !== 'evalsha' || ![ask.sha, askTogether.sha].includes(sha)) return;
    for (const key of args.slice(0, Number(count))) {
      if (!key.endsWith('probe')) asked.set(key, (asked.get(key) ?? 0) + 1);
    }
  });

  redis.pause();
  const kinds = await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      const seen: string[] = [];
      for (let n = 0; n < calls; n++) seen.push((await pay(`key-${caller}-${n}`)).kind);
      return seen;
    }),
  );
  expect(new Set(kinds.flat())).toEqual(new Set(['completed']));
  expect(happened('layer_opened')).toBe(true);
  redis.resume();
  await expect.poll(() => happened('layer_closed'), { timeout: 20_000 }).toBe(true);
  await redis.admin.echo('whatever came before is listed by now');
  await expect.poll(() => isDone, { timeout: 20_000 }).toBe(true);
  monitor.disconnect();
  await semel.close();
  return asked;
}

test('one after the other: at most three requests wait, once each, and the others not at all', async () => {
  const asked = await standstill({ callers: 1, calls: 40 });
  expect([...asked.values()].every((times) => times === 1)).toBe(true);
  expect(asked.size).toBeGreaterThan(0);
  expect(asked.size).toBeLessThanOrEqual(3);
});

test('20 callers at once: each waits for one time-out, and never again', async () => {
  const asked = await standstill({ callers: 20, calls: 10 });
  expect([...asked.values()].every((times) => times === 1)).toBe(true);
  expect(asked.size).toBe(20);
});
