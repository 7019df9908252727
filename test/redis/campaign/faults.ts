import {
  type RedisServer,
  startCluster,
  startRedisServer,
  startSentinel,
} from '@semel/store-redis/testing/redis-server';
import { Redis } from 'ioredis';
import type { ServerSettings } from '../server.ts';

/** One thing that happens to Redis. `end` makes it well again; without one it mends by itself. */
export interface Fault {
  readonly what: string;
  begin(): Promise<unknown>;
  end?(): Promise<unknown>;
}

/** A way to run Redis, and what can happen to it. */
export interface Setting {
  readonly name: 'standalone' | 'sentinel' | 'cluster';
  readonly connection: NonNullable<ServerSettings['redis']>;
  readonly faults: readonly Fault[];
  close(): Promise<void>;
}

export async function standalone(prefix: string): Promise<Setting> {
  const redis = await startRedisServer();
  const { admin } = redis;
  return {
    name: 'standalone',
    connection: redis.url,
    faults: [
      { what: 'killed, comes back empty', begin: () => redis.kill(), end: () => redis.start() },
      { what: 'paused', begin: async () => redis.pause(), end: async () => redis.resume() },
      { what: 'FLUSHALL', begin: () => admin.flushall() },
      { what: 'SCRIPT FLUSH', begin: () => admin.script('FLUSH') },
      {
        what: 'full',
        begin: () => admin.config('SET', 'maxmemory', '1'),
        end: () => admin.config('SET', 'maxmemory', '0'),
      },
      {
        what: 'a replica that can only be read',
        begin: () => admin.replicaof('127.0.0.1', 1),
        end: () => admin.replicaof('NO', 'ONE'),
      },
      {
        what: 'killed, comes back with an old snapshot',
        async begin() {
          await admin.save();
          await redis.kill();
        },
        end: () => redis.start(),
      },
      {
        what: 'values of another type',
        async begin() {
          const keys = await admin.keys(`${prefix}*`);
          for (const key of keys.slice(0, 2_000)) await admin.multi().del(key).lpush(key, 'x').exec();
        },
      },
    ],
    close: () => redis.close(),
  };
}

export async function withSentinel(): Promise<Setting> {
  const [one, two] = await Promise.all([startRedisServer(), startRedisServer()]);
  await two.admin.replicaof('127.0.0.1', one.port);
  await until(async () => (await two.admin.info('replication')).includes('master_link_status:up'));
  const sentinel = await startSentinel(one);
  const asked = new Redis({ port: sentinel.port, retryStrategy: () => 50, maxRetriesPerRequest: null });
  asked.on('error', () => {});
  const both = [one, two];
  const primaryPort = async () =>
    Number(((await asked.call('SENTINEL', 'get-master-addr-by-name', 'main')) as string[])[1]);
  const primary = async (): Promise<RedisServer> => {
    const port = await primaryPort();
    return both.find((redis) => redis.port === port) ?? one;
  };
  let was: RedisServer | undefined;
  const other = (redis: RedisServer) => (redis === one ? two : one);
  const failedOver = async () => until(async () => (await primaryPort()) !== was?.port);
  /** The next fault needs somebody to fail over to. */
  const follow = async (redis: RedisServer) => {
    await redis.admin.replicaof('127.0.0.1', other(redis).port);
    await until(async () => (await redis.admin.info('replication')).includes('master_link_status:up'));
    await until(async () =>
      String(await asked.call('SENTINEL', 'replicas', 'main')).includes('master-link-status,ok'),
    );
  };
  const broken = (how: 'kill' | 'pause') => async () => {
    was = await primary();
    await was[how]();
    await failedOver();
  };
  return {
    name: 'sentinel',
    connection: { sentinels: [{ host: '127.0.0.1', port: sentinel.port }], name: 'main' },
    faults: [
      {
        what: 'primary killed, Sentinel fails over',
        begin: broken('kill'),
        async end() {
          if (was === undefined) return;
          await was.start();
          await follow(was);
        },
      },
      {
        what: 'primary paused, Sentinel fails over',
        begin: broken('pause'),
        async end() {
          if (was === undefined) return;
          was.resume();
          await follow(was);
        },
      },
    ],
    async close() {
      asked.disconnect();
      await sentinel.close();
      await Promise.all(both.map((redis) => redis.close()));
    },
  };
}

export async function clustered(random: (below: number) => number): Promise<Setting> {
  const nodes = await startCluster();
  let struck: RedisServer | undefined;
  const one = (): RedisServer => {
    struck = nodes[random(nodes.length)] as RedisServer;
    return struck;
  };
  return {
    name: 'cluster',
    connection: { cluster: nodes.map(({ port }) => ({ host: '127.0.0.1', port })) },
    faults: [
      { what: 'one of three killed', begin: () => one().kill(), end: async () => struck?.start() },
      { what: 'one of three paused', begin: async () => one().pause(), end: async () => struck?.resume() },
      { what: 'all flushed', begin: () => Promise.all(nodes.map(({ admin }) => admin.flushall())) },
    ],
    close: async () => void (await Promise.all(nodes.map((redis) => redis.close()))),
  };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error('the fault could not be set up within 30 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
