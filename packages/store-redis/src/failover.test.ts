import type { SemelEvent } from '@semel/server';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { createRedisLayer } from './redis-layer.ts';
import { openDatabase, randomName } from './testing/fixture.ts';
import { startLoad } from './testing/load.ts';
import { startRedisServer, startSentinel } from './testing/redis-server.ts';

test.each([
  ['is killed', 'kill'],
  ['stands still, its connections open', 'pause'],
] as const)(
  'under load, the primary %s and Sentinel fails over: each effect once, each answer the same, and Redis answers again',
  async (_, how) => {
    const [db, primary, replica] = await Promise.all([
      openDatabase('failover'),
      startRedisServer(),
      startRedisServer(),
    ]);
    await replica.admin.replicaof('127.0.0.1', primary.port);
    const link = () => replica.admin.info('replication');
    await expect.poll(link, { timeout: 20_000 }).toContain('master_link_status:up');
    const sentinel = await startSentinel(primary);
    const asked = new Redis({ port: sentinel.port, retryStrategy: () => 50, maxRetriesPerRequest: null });
    asked.on('error', () => {});
    const replicas = async () => String(await asked.call('SENTINEL', 'replicas', 'main'));
    await expect.poll(replicas, { timeout: 20_000 }).toContain(String(replica.port));

    const events: SemelEvent[] = [];
    const fromRedis = () =>
      events.filter((event) => event.type === 'replayed' && event.layer === 'redis').length;
    const happened = (type: SemelEvent['type']) => events.some((event) => event.type === type);
    const layer = createRedisLayer({
      connection: { sentinels: [{ host: '127.0.0.1', port: sentinel.port }], name: 'main' },
      prefix: `${randomName()}:`,
    });
    try {
      await expect.poll(() => layer.ready(), { timeout: 20_000 }).toBe(true);
      const running = startLoad({ db, layer, onEvent: (event) => events.push(event) });
      await running.more(300);
      expect(fromRedis()).toBeGreaterThan(0);
      await primary[how]();
      await expect.poll(() => happened('layer_opened'), { timeout: 20_000 }).toBe(true);
      // A Sentinel that was not given its turn for two seconds does nothing for half a minute (its TILT mode).
      await expect.poll(() => happened('layer_closed'), { timeout: 120_000 }).toBe(true);
      const before = fromRedis();
      await expect.poll(fromRedis, { timeout: 20_000 }).toBeGreaterThan(before + 20);
      const { wrong, twice, keys, effects } = await running.stop();
      expect({ wrong, twice }).toEqual({ wrong: [], twice: [] });
      expect(effects).toBe(keys);
      expect(await replica.admin.info('replication')).toContain('role:master');
    } finally {
      asked.disconnect();
      await layer.close();
      await sentinel.close();
      await Promise.all([primary.close(), replica.close(), db.close()]);
    }
  },
  240_000,
);
