import { randomBytes } from 'node:crypto';
import { createProcessLayer, createSemel, type SemelEvent, type SemelOptions } from '@semel/server';
import type { Layer } from '@semel/server/store';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createRedisLayer, type RedisLayer } from './redis-layer.ts';
import { type Database, openDatabase, randomName } from './testing/fixture.ts';
import { type RedisServer, startRedisServer } from './testing/redis-server.ts';

// Thousands of calls: on a busy machine they take longer than a test usually may.
vi.setConfig({ testTimeout: 120_000 });

// Several servers, as far as one process can be several: each has a store, a Redis layer and an engine of its own.

let redis: RedisServer;
let db: Database;
let prefix: string;
const opened: { close(): Promise<void> }[] = [];
/** Every statement that pg was given, in order. */
const sent: string[] = [];

beforeAll(async () => {
  [redis, db] = await Promise.all([startRedisServer(), openDatabase('engine')]);
});
afterAll(() => Promise.all([redis.close(), db.close()]));
beforeEach(() => {
  prefix = `${randomName()}:`;
  const query = pg.Client.prototype.query;
  vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    const [config] = args;
    const text = typeof config === 'string' ? config : (config as { text: string }).text;
    sent.push(text.trimStart().split(/\s/, 1)[0] ?? '');
    return Reflect.apply(query, this, args) as unknown;
  } as never);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(opened.splice(0).map((each) => each.close()));
});

type Wrap = (layer: RedisLayer) => Layer;
const asItIs: Wrap = (layer) => layer;

async function server(wrap: Wrap = asItIs, options: Partial<SemelOptions<pg.ClientBase>> = {}) {
  const layer = createRedisLayer({ connection: redis.url, prefix, timeoutMs: 5000 });
  const events: SemelEvent[] = [];
  const semel = createSemel({
    store: db.store(),
    layers: [wrap(layer)],
    recovery: false,
    onEvent: (event) => events.push(event),
    ...options,
  });
  opened.push(layer, semel);
  await expect.poll(() => layer.ready(), { timeout: 20_000 }).toBe(true);
  const runs = { count: 0 };
  return {
    semel,
    layer,
    events,
    runs,
    replayedBy: () => events.flatMap((event) => (event.type === 'replayed' ? [event.layer] : [])),
    pay: (key: string, input: unknown = 1, more: object = {}) =>
      semel.run({ scope: tenant(), name: 'pay', mode: 'atomic', key, input, ...more }, async ({ tx }) => {
        runs.count += 1;
        await db.effect(tx, key);
        return { receipt: key, at: new Date(0) };
      }),
    lease: (key: string, work: () => Promise<unknown>, more: object = {}) =>
      semel.run({ scope: tenant(), name: 'pay', mode: 'leased', key, input: 1, ...more }, async () => {
        runs.count += 1;
        return work();
      }),
  };
}

/** How many scripts Redis ran since the last time. */
async function commands(): Promise<number> {
  const stats = await redis.admin.info('commandstats');
  await redis.admin.config('RESETSTAT');
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

test('a replay on another server is one round trip to Redis and no statement, with its types', async () => {
  const first = await server();
  const second = await server();
  const done = await first.pay('k');
  await expect
    .poll(async () => (await first.layer.ask(identity('k'), x, 1)).kind, { timeout: 20_000 })
    .toBe('entry');
  await commands();
  sent.length = 0;
  expect(await second.pay('k')).toEqual({ ...done, replayed: true });
  expect(done).toMatchObject({ value: { receipt: 'k', at: new Date(0) } });
  expect(await commands()).toBe(1);
  expect(sent).toEqual([]);
  expect(second.replayedBy()).toEqual(['redis']);
});

test.each(['atomic', 'leased'] as const)(
  'a first %s execution waits for one round trip to Redis, and asks Postgres no more than without layers',
  async (mode) => {
    const untold: string[] = [];
    // Filling never ends here, and nobody waits for it.
    const first = await server((layer) => ({
      ...layer,
      keep: (_, text) => {
        untold.push(text);
        return new Promise(() => {});
      },
    }));
    const bare = await server(asItIs, { layers: [] });
    const once = (on: typeof first, key: string) =>
      mode === 'atomic' ? on.pay(key) : on.lease(key, async () => 'done');
    await once(first, 'warm');
    await once(bare, 'warm-too');
    await commands();
    sent.length = 0;
    await once(bare, 'a');
    const without = sent.splice(0);
    expect(await once(first, 'b')).toMatchObject({ kind: 'completed', replayed: false });
    expect(await commands()).toBe(1);
    expect(sent).toEqual(without);
    expect(untold).toHaveLength(2);
  },
);

test('20 duplicates at once of each of 100 keys over three servers are 100 effects, and few of the others ask Postgres', async () => {
  const servers = [await server(), await server(), await server()] as const;
  await Promise.all(servers.map((each, index) => each.pay(`warm-${index}`)));
  sent.length = 0;
  const keys = Array.from({ length: 100 }, (_, index) => `${prefix}${index}`);
  for (const group of [keys.slice(0, 50), keys.slice(50)]) {
    const asked = group.flatMap((key) =>
      Array.from({ length: 20 }, (_, index) =>
        (servers[index % 3] ?? servers[0]).pay(key, 1, { inFlight: { waitMs: 20_000 } }),
      ),
    );
    expect((await Promise.all(asked)).filter(({ kind }) => kind !== 'completed')).toEqual([]);
  }
  const effects = await db.effects();
  expect(keys.map((key) => effects.get(key))).toEqual(keys.map(() => 1));
  expect(servers.reduce((sum, { runs }) => sum + runs.count, 0)).toBe(103);
  const fromStore = servers.flatMap((each) => each.replayedBy()).filter((layer) => layer === 'store');
  // Of 1,900 replays; a handful where nothing else runs. On a machine so busy that a call takes a second, who waits asks.
  expect(fromStore.length).toBeLessThan(475);
});

test('a duplicate on another server is woken by the first one’s end', async () => {
  const first = await server();
  const second = await server();
  const gate = Promise.withResolvers<string>();
  const running = first.lease('k', () => gate.promise);
  await expect.poll(() => first.runs.count, { timeout: 20_000 }).toBe(1);
  const waiting = second.lease('k', async () => 'never', { inFlight: { waitMs: 20_000 } });
  gate.resolve('once');
  expect(await running).toMatchObject({ value: 'once', replayed: false });
  expect(await waiting).toMatchObject({ value: 'once', replayed: true });
  expect(second.runs.count).toBe(0);
});

test('a call that failed for now gives the key back to the next', async () => {
  const first = await server();
  const second = await server();
  const failed = first.lease('k', async () => {
    throw new Error('not now');
  });
  await expect(failed).rejects.toThrow('not now');
  expect(await second.lease('k', async () => 'then')).toMatchObject({ value: 'then', replayed: false });
});

test('someone who died holding the key in Redis costs time, and Postgres decides', async () => {
  const it = await server();
  await it.layer.ask(identity('k'), { owner: 'dead', attempt: 0 }, 60_000);
  expect(await it.pay('k', 1, { inFlight: { waitMs: 50 } })).toMatchObject({
    kind: 'completed',
    replayed: false,
  });
});

test('another input under the key is refused by the store, the same under another tenant is another operation', async () => {
  const it = await server();
  await it.pay('k');
  await expect
    .poll(async () => (await it.layer.ask(identity('k'), x, 1)).kind, { timeout: 20_000 })
    .toBe('entry');
  expect(await it.pay('k', 2)).toMatchObject({ kind: 'refused', problem: { code: 'key_reused' } });
  expect(await it.pay('k', 1, { scope: 'another' })).toMatchObject({ kind: 'completed', replayed: false });
});

test('a refusal is replayed from Redis too; what was released or is unknown never lies there', async () => {
  const it = await server();
  const refuse = () =>
    it.semel.run({ scope: tenant(), name: 'pay', mode: 'atomic', key: 'no', input: 1 }, (operation) =>
      operation.refuse(Object.assign(new Error('no'), { code: 'NO' })),
    );
  await refuse();
  await expect
    .poll(async () => (await it.layer.ask(identity('no'), x, 1)).kind, { timeout: 20_000 })
    .toBe('entry');
  expect(await refuse()).toMatchObject({ kind: 'failed', error: { code: 'NO' }, replayed: true });
  await it.lease('later', () => Promise.reject(new Error('later'))).catch(() => {});
  const unknown = it.semel.run(
    { scope: tenant(), name: 'pay', mode: 'leased', key: 'unknown', input: 1 },
    ({ step }) => step('charge', () => Promise.reject(new Error('lost'))),
  );
  expect(await unknown.catch(() => ({ kind: 'threw' }))).not.toMatchObject({ kind: 'completed' });
  for (const key of ['later', 'unknown']) {
    expect((await it.layer.ask(identity(key), x, 1)).kind).toBe('none');
  }
});

test('a purge is heeded by Redis at once', async () => {
  const first = await server();
  const second = await server();
  await first.pay('k');
  expect(await second.pay('k')).toMatchObject({ kind: 'completed', replayed: true });
  await first.semel.purge({ principal: tenant(), actor: 'operator:alice', reason: 'ticket' });
  expect(await second.pay('k')).toMatchObject({ kind: 'refused', problem: { code: 'outcome_gone' } });
  expect(await first.pay('k')).toMatchObject({ kind: 'refused', problem: { code: 'outcome_gone' } });
});

test('the process layer answers without Redis or Postgres', async () => {
  const it = await server((layer) => layer, {
    layers: [createProcessLayer(), createRedisLayer({ connection: redis.url, prefix })],
  });
  await it.pay('k');
  await commands();
  sent.length = 0;
  expect(await it.pay('k')).toMatchObject({ kind: 'completed', replayed: true });
  expect(await commands()).toBe(0);
  expect(sent).toEqual([]);
  expect(it.replayedBy()).toEqual(['process']);
});

test('with a key ring nothing that was forged, changed or moved in Redis is believed', async () => {
  const keyRing = { current: 'k1', keys: { k1: randomBytes(32) } };
  const it = await server(asItIs, { keyRing });
  const text = async (key: string): Promise<string> => {
    const found = await it.layer.ask(identity(key), x, 1);
    return found.kind === 'entry' ? found.text : '';
  };
  await it.pay('a');
  await it.pay('b');
  await expect
    .poll(async () => (await text('a')) !== '' && (await text('b')) !== '', { timeout: 20_000 })
    .toBe(true);
  const genuine = await text('a');
  expect(genuine).toContain('sealed1:k1:');
  expect(genuine).not.toContain('receipt');
  const forged = [
    await text('b'),
    genuine.replace(/ (\d{13}) /, (_, expiresAt) => ` ${Number(expiresAt) + 1} `),
    genuine.slice(genuine.indexOf('\n')),
    genuine.replace(' completed ', ' failed '),
  ];
  for (const lie of forged) {
    expect(lie).not.toBe(genuine);
    await it.layer.keep(identity('a'), lie, 60_000);
    expect(await it.pay('a')).toMatchObject({ kind: 'completed', value: { receipt: 'a' }, replayed: true });
  }
  expect(it.replayedBy()).toEqual(['store', 'store', 'store', 'store']);
});

/** Of one test. */
const tenant = () => `tenant-${prefix.slice(0, -1)}`;
const x = { owner: 'x', attempt: 0 };
const identity = (key: string) => ({ scope: tenant(), procedure: 'pay', key });
