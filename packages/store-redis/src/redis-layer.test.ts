import { afterAll, beforeAll, expect, test } from 'vitest';
import { randomName } from './testing/fixture.ts';
import { alice, bob, layersOn, MINUTE, operation } from './testing/layers.ts';
import { type RedisServer, startCluster, startRedisServer } from './testing/redis-server.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedisServer();
});
afterAll(() => redis.close());
const { open, subscribed } = layersOn(() => redis);

/** The one key of the only operation under a prefix. */
async function keyUnder(prefix: string): Promise<string> {
  const keys = (await redis.admin.keys(`${prefix}*`)).filter((key) => !key.endsWith('{probe}'));
  expect(keys).toHaveLength(1);
  return keys[0] ?? '';
}

test('who asks first is at it, another is told so, and the first asking again is no stranger', async () => {
  const { layer } = await open();
  const it = operation();
  expect(await layer.ask(it, alice, MINUTE)).toEqual({ kind: 'none', held: true });
  expect(await layer.ask(it, bob, MINUTE)).toEqual({ kind: 'held' });
  expect(await layer.ask(it, alice, MINUTE)).toEqual({ kind: 'none', held: true });
});

test('looking and holding is one command', async () => {
  const { layer } = await open();
  await redis.admin.config('RESETSTAT');
  await layer.ask(operation(), alice, MINUTE);
  const stats = await redis.admin.info('commandstats');
  expect(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]).toBe('1');
  expect(stats).not.toContain('cmdstat_eval:');
});

test('an entry takes the place of whoever is at it, and runs out with the time it was given', async () => {
  const { layer, prefix } = await open();
  const it = operation();
  await layer.ask(it, alice, MINUTE);
  await layer.keep(it, 'seal\n[]\n{"v":1}', 5 * MINUTE);
  expect(await layer.ask(it, bob, MINUTE)).toEqual({ kind: 'entry', text: 'seal\n[]\n{"v":1}' });
  const leftMs = await redis.admin.pttl(await keyUnder(prefix));
  expect(leftMs).toBeGreaterThan(4 * MINUTE);
  expect(leftMs).toBeLessThanOrEqual(5 * MINUTE);
});

test('a hold is given back by its owner only', async () => {
  const { layer } = await open();
  const it = operation();
  await layer.ask(it, alice, MINUTE);
  await layer.release(it, bob);
  expect(await layer.ask(it, bob, MINUTE)).toEqual({ kind: 'held' });
  await layer.release(it, alice);
  expect(await layer.ask(it, bob, MINUTE)).toEqual({ kind: 'none', held: true });
});

test('giving back what is settled by now leaves the entry', async () => {
  const { layer } = await open();
  const it = operation();
  await layer.ask(it, alice, MINUTE);
  await layer.keep(it, 'text', MINUTE);
  await layer.release(it, alice);
  expect(await layer.ask(it, bob, MINUTE)).toEqual({ kind: 'entry', text: 'text' });
});

test('renewing lengthens the hold of its owner, and of a later attempt, never of an earlier one', async () => {
  const { layer, prefix } = await open();
  const it = operation();
  await layer.ask(it, alice, 1000);
  await layer.renew(it, { owner: 'alice', attempt: 1 }, MINUTE);
  const key = await keyUnder(prefix);
  expect(await redis.admin.pttl(key)).toBeGreaterThan(MINUTE / 2);
  await layer.renew(it, { owner: 'bob', attempt: 2 }, MINUTE);
  expect(await redis.admin.get(key)).toBe('L02:bob');
  await layer.renew(it, { owner: 'alice', attempt: 1 }, MINUTE);
  expect(await redis.admin.get(key)).toBe('L02:bob');
});

test('renewing makes a hold again that a flush took, and never takes an entry away', async () => {
  const { layer, prefix } = await open();
  const it = operation();
  await layer.ask(it, alice, MINUTE);
  await redis.admin.del(await keyUnder(prefix));
  await layer.renew(it, { owner: 'alice', attempt: 1 }, MINUTE);
  expect(await layer.ask(it, bob, MINUTE)).toEqual({ kind: 'held' });
  await layer.keep(it, 'text', MINUTE);
  await layer.renew(it, { owner: 'alice', attempt: 1 }, MINUTE);
  expect(await layer.ask(it, bob, MINUTE)).toEqual({ kind: 'entry', text: 'text' });
});

test.each(['keep', 'release'] as const)('%s wakes who waits, on another connection', async (how) => {
  const prefix = `${randomName()}:`;
  const { layer: mine } = await open({ prefix });
  const { layer: other } = await open({ prefix, pollMs: 10 * MINUTE });
  const it = operation();
  await mine.ask(it, alice, MINUTE);
  expect(await other.ask(it, bob, MINUTE)).toEqual({ kind: 'held' });
  const woken = other.changed(it, 10 * MINUTE);
  // The subscription is there before anything is told: who comes too late polls.
  await subscribed(prefix);
  await (how === 'keep' ? mine.keep(it, 'text', MINUTE) : mine.release(it, alice));
  await woken;
});

test("a key prefix of the connection's own comes before every key, and who waits is woken all the same", async () => {
  const keyPrefix = `${randomName()}:`;
  const connection = { port: redis.port, keyPrefix };
  const { layer, prefix } = await open({ connection, pollMs: 10 * MINUTE });
  const it = operation();
  await layer.ask(it, alice, MINUTE);
  await layer.ask(it, bob, MINUTE);
  const woken = layer.changed(it, 10 * MINUTE);
  await subscribed(prefix);
  await layer.keep(it, 'text', MINUTE);
  await woken;
  expect(await keyUnder(keyPrefix)).toMatch(`${keyPrefix}${prefix}{`);
});

test('nobody is told of what nobody waits for', async () => {
  const { layer } = await open();
  const it = operation();
  await layer.ask(it, alice, MINUTE);
  await redis.admin.config('RESETSTAT');
  await layer.keep(it, 'text', MINUTE);
  expect(await redis.admin.info('commandstats')).not.toContain('cmdstat_publish');
});

test('what was forgotten is gone at once, and a slow reader cannot bring it back', async () => {
  const { layer } = await open();
  const it = operation();
  await layer.keep(it, 'text', MINUTE);
  await layer.forget(it, MINUTE);
  expect(await layer.ask(it, bob, MINUTE)).toEqual({ kind: 'none', held: false });
  await layer.keep(it, 'text', MINUTE);
  expect(await layer.ask(it, bob, MINUTE)).toEqual({ kind: 'none', held: false });
});

test('scripts that Redis has forgotten are sent again', async () => {
  const { layer } = await open();
  const it = operation();
  await layer.ask(it, alice, MINUTE);
  await redis.admin.script('FLUSH');
  await layer.keep(it, 'text', MINUTE);
  await redis.admin.script('FLUSH');
  expect(await layer.ask(it, bob, MINUTE)).toEqual({ kind: 'entry', text: 'text' });
});

test('a value of another type, or of no known form, is as good as nothing and is replaced', async () => {
  const { layer, prefix } = await open();
  const it = operation();
  await layer.keep(it, 'text', MINUTE);
  const key = await keyUnder(prefix);
  for (const spoil of [
    () => redis.admin.lpush(key, 'x'),
    () => redis.admin.set(key, 'L'),
    () => redis.admin.set(key, ''),
  ]) {
    await redis.admin.del(key);
    await spoil();
    expect(await layer.ask(it, bob, MINUTE)).toEqual({ kind: 'none', held: true });
    await redis.admin.del(key);
    await spoil();
    await layer.keep(it, 'text', MINUTE);
    expect(await layer.ask(it, bob, MINUTE)).toEqual({ kind: 'entry', text: 'text' });
  }
});

test('operations that differ in one part, and other prefixes, do not meet', async () => {
  const { layer } = await open();
  const { layer: other } = await open();
  const it = { scope: 'a', procedure: 'b', key: 'c' };
  await layer.keep(it, 'text', MINUTE);
  for (const change of [{ scope: 'x' }, { procedure: 'x' }, { key: 'x' }, { scope: 'ab', procedure: '' }]) {
    expect(await layer.ask({ ...it, ...change }, bob, MINUTE)).toEqual({ kind: 'none', held: true });
  }
  expect(await other.ask(it, bob, MINUTE)).toEqual({ kind: 'none', held: true });
});

test('neither scope nor key can be read off the list of keys', async () => {
  const { layer, prefix } = await open();
  await layer.keep({ scope: 'customer-17', procedure: 'pay', key: 'order-4711' }, 'text', MINUTE);
  expect(await keyUnder(prefix)).toMatch(/^[0-9a-f]{24}:\{[\w-]{43}\}$/);
});

test('works on a Cluster of three', async () => {
  const nodes = await startCluster();
  try {
    const { layer } = await open({ connection: { cluster: nodes.map(({ port }) => ({ port })) } });
    const operations = Array.from({ length: 60 }, () => operation());
    await Promise.all(operations.map((it) => layer.keep(it, `text of ${it.key}`, MINUTE)));
    const answers = await Promise.all(operations.map((it) => layer.ask(it, bob, MINUTE)));
    expect(answers).toEqual(operations.map(({ key }) => ({ kind: 'entry', text: `text of ${key}` })));
    for (const redis of nodes) expect(await redis.admin.dbsize()).toBeGreaterThan(0);
    await layer.close();
  } finally {
    await Promise.all(nodes.map((redis) => redis.close()));
  }
});
