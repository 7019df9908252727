import { randomBytes } from 'node:crypto';
import { type RedisServer, startRedisServer } from '@semel/store-redis/testing/redis-server';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createCaller } from './caller.ts';
import { type OwnPostgres, startPostgres } from './postgres.ts';
import { type ServerGroup, startServers } from './servers.ts';

// Three real server processes, a Redis and a Postgres of their own. Counted at those two, not at the servers.
vi.setConfig({ testTimeout: 180_000 });
const isForeign = process.env.DATABASE_URL !== undefined;
/** CI and `SEMEL_LONG=1` send all; a quick run sends a tenth. */
const KEYS = process.env.CI === 'true' || process.env.SEMEL_LONG === '1' ? 1_000 : 100;
const DUPLICATES = 20;

let redis: RedisServer;
let postgres: OwnPostgres;
const groups: ServerGroup[] = [];
const caller = createCaller();
beforeAll(async () => {
  if (isForeign) return;
  [redis, postgres] = await Promise.all([startRedisServer(), startPostgres()]);
});
afterAll(async () => {
  caller.close();
  await Promise.all(groups.map((group) => group.stop()));
  await Promise.all([redis?.close(), postgres?.close()]);
});

async function start(count: number, layers: readonly ('process' | 'redis')[]): Promise<ServerGroup> {
  const { url: databaseUrl, schema } = postgres;
  // Time enough: what is counted here must not depend on how busy the machine is.
  const timeoutMs = 10_000;
  const settings = {
    databaseUrl,
    schema,
    layers,
    redis: redis.url,
    prefix: `${name()}:`,
    leaseMs: 60_000,
    timeoutMs,
  };
  const group = await startServers(count, settings);
  groups.push(group);
  return group;
}
const name = () => randomBytes(6).toString('hex');
const keys = (count: number) => {
  const run = name();
  return Array.from({ length: count }, (_, index) => `${run}-${index}`);
};

/** Calls of scripts and everything else that the servers sent since the last time. */
async function redisCommands(): Promise<Record<string, number>> {
  const stats = await redis.admin.info('commandstats');
  await redis.admin.config('RESETSTAT');
  // What scripts do inside is listed as well; it is no round trip.
  const counted = [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(
    ([, command = '', calls]) => [command, Number(calls)] as const,
  );
  return Object.fromEntries(counted.filter(([command]) => /^(evalsha|eval|script)/.test(command)));
}

async function inLanes<T>(
  lanes: number,
  things: readonly T[],
  work: (thing: T, index: number) => Promise<void>,
) {
  let next = 0;
  const lane = async () => {
    for (let index = next++; index < things.length; index = next++) await work(things[index] as T, index);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

test.skipIf(isForeign)(
  '20 simultaneous retries of each key over three server processes: one effect a key, and the same answer for all',
  async () => {
    const { urls, reports } = await start(3, ['process', 'redis']);
    const all = keys(KEYS);
    const answers = new Map<string, Set<string>>();
    await inLanes(8, all, async (key) => {
      const asked = Array.from({ length: DUPLICATES }, (_, n) =>
        caller.call(urls[n % 3] ?? '', 'order', key),
      );
      const answered = await Promise.all(asked);
      answers.set(key, new Set(answered.map(({ status, id }) => `${status} ${id}`)));
    });
    const effects = await postgres.sql<{ key: string; id: string }>('SELECT key, id::text FROM {s}.effect');
    expect(effects).toHaveLength(KEYS);
    const byKey = new Map(effects.map(({ key, id }) => [key, id]));
    expect(
      all.filter((key) => ![...(answers.get(key) ?? [])].every((one) => one === `200 ${byKey.get(key)}`)),
    ).toEqual([]);
    const seen = await reports();
    expect(seen.reduce((sum, { executed }) => sum + executed, 0)).toBe(KEYS);
    const fromStore = seen.reduce((sum, { replayed }) => sum + (replayed.store ?? 0), 0);
    const duplicates = KEYS * (DUPLICATES - 1);
    console.log(`${fromStore} of ${duplicates} duplicates asked Postgres`);
    // The storm itself: the others were held back. On a machine so busy that a call takes a second, who waits asks.
    expect(fromStore).toBeLessThan(duplicates * 0.25);

    // And afterwards, from anywhere: counted at Postgres.
    await postgres.statements();
    await inLanes(8, all, async (key) => {
      for (const url of urls) expect(await caller.call(url, 'order', key)).toMatchObject({ replayed: true });
    });
    expect(await postgres.statements()).toBeLessThan(KEYS * 3 * 0.01);
  },
);

test.skipIf(isForeign)('a replay is one round trip to Redis and no statement', async () => {
  const { urls, reports } = await start(2, ['redis']);
  const [here = '', there = ''] = urls;
  const all = keys(50);
  for (const key of all) await caller.call(here, 'order', key);
  await expect.poll(async () => (await redisCommands()).evalsha ?? 0, { timeout: 20_000 }).toBe(0);
  await postgres.statements();
  await reports();
  for (const key of all) expect(await caller.call(there, 'order', key)).toMatchObject({ replayed: true });
  expect(await redisCommands()).toEqual({ evalsha: 50 });
  expect(await postgres.statements()).toBe(0);
  const { replayMs = [] } = (await reports())[1] ?? {};
  const at = (share: number) => replayMs[Math.floor(replayMs.length * share)]?.toFixed(2);
  // Said, not judged: how long it takes is this machine's business.
  console.log(`replay from Redis, one at a time, at the server: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
});

test.skipIf(isForeign).each(['order', 'pay'] as const)(
  'a first %s is one round trip to Redis before the answer and one after, and no more statements than without Redis',
  async (procedure) => {
    const behind = await start(1, ['redis']);
    const bare = await start(1, []);
    const count = async ({ urls: [url = ''] }: ServerGroup) => {
      // Connections, prepared statements and scripts are there by then.
      for (const key of keys(20)) await caller.call(url, procedure, key);
      await expect.poll(async () => Object.keys(await redisCommands()), { timeout: 20_000 }).toEqual([]);
      await postgres.statements();
      for (const key of keys(40))
        expect(await caller.call(url, procedure, key)).toMatchObject({ replayed: false });
      return postgres.statements();
    };
    const without = await count(bare);
    expect(await redisCommands()).toEqual({});
    expect(await count(behind)).toBe(without);
    // The look-up with the hold, and the entry, which nobody waits for (layered-engine.test.ts).
    await expect.poll(() => redisCommands().then(({ evalsha }) => evalsha ?? 0), { timeout: 20_000 }).toBe(0);
  },
);
