import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { alice, bob, layersOn, MINUTE, operation, PATIENCE } from './testing/layers.ts';
import { freePort, type RedisServer, startRedisServer } from './testing/redis-server.ts';

// Who asks in one turn of the event loop asks together. What each is told is what it would have been told alone.

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedisServer();
});
afterAll(() => redis.close());
const { open } = layersOn(() => redis);

/** What was sent until now isn't counted. */
const countAnew = () => redis.admin.config('RESETSTAT');

const NONE = { kind: 'none', held: true };
const entry = (text: string) => ({ kind: 'entry', text });

/** So many scripts were run. */
async function scripts(server = redis): Promise<number> {
  const stats = await server.admin.info('commandstats');
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

test('what is asked in one turn is one command, and each gets its own answer', async () => {
  const { layer } = await open();
  const [settled, held, purged, free] = [operation(), operation(), operation(), operation()];
  await layer.keep(settled, 'text', MINUTE);
  await layer.ask(held, alice, MINUTE);
  await layer.forget(purged, MINUTE);
  await countAnew();
  const answers = await Promise.all(
    [settled, held, purged, free].map((it) => layer.ask(it, { owner: `bob-${it.key}`, attempt: 0 }, MINUTE)),
  );
  expect(answers).toEqual([entry('text'), { kind: 'held' }, { kind: 'none', held: false }, NONE]);
  expect(await scripts()).toBe(1);
  expect(await layer.ask(free, bob, MINUTE)).toEqual({ kind: 'held' });
});

test('two who ask for one operation in one turn: one is at it, the other is told', async () => {
  const { layer } = await open();
  await countAnew();
  const it = operation();
  expect(await Promise.all([layer.ask(it, alice, MINUTE), layer.ask(it, bob, MINUTE)])).toEqual([
    NONE,
    { kind: 'held' },
  ]);
  expect(await scripts()).toBe(1);
});

test('each holds for as long as it said', async () => {
  const { layer, prefix } = await open();
  await Promise.all([layer.ask(operation(), alice, MINUTE), layer.ask(operation(), bob, 5 * MINUTE)]);
  const keys = (await redis.admin.keys(`${prefix}*`)).filter((key) => !key.endsWith('{probe}'));
  const lefts = await Promise.all(keys.map((key) => redis.admin.pttl(key)));
  expect(new Set(lefts.map((ms) => Math.ceil(ms / MINUTE)))).toEqual(new Set([1, 5]));
});

test('what is asked in the next turn is a command of its own', async () => {
  const { layer } = await open();
  await countAnew();
  const first = layer.ask(operation(), alice, MINUTE);
  await new Promise(setImmediate);
  await Promise.all([first, layer.ask(operation(), bob, MINUTE)]);
  expect(await scripts()).toBe(2);
});

test('eight leave before the turn has ended where Redis has nothing of ours to do; what comes after them waits for the end', async () => {
  const { layer } = await open();
  const ask = (count: number) =>
    Promise.all(Array.from({ length: count }, () => layer.ask(operation(), alice, MINUTE)));
  await ask(1);
  await countAnew();
  const first = ask(7);
  await Promise.resolve(); // until here a look has got; nothing of this turn's other work has run
  expect(scriptsNow()).toBe(0);
  const second = ask(12);
  await Promise.resolve();
  expect(scriptsNow()).toBe(1);
  await Promise.all([first, second]);
  expect(await scripts()).toBe(2);
});

test('more than 64 are several commands', async () => {
  const { layer } = await open();
  await countAnew();
  const operations = Array.from({ length: 130 }, () => operation());
  const answers = await Promise.all(operations.map((it) => layer.ask(it, alice, MINUTE)));
  expect(answers).toEqual(operations.map(() => NONE));
  expect(await scripts()).toBe(3);
});

test('behind large answers the others are asked for alone, and all are whole', async () => {
  const { layer } = await open();
  const texts = ['a'.repeat(200_000), 'ü'.repeat(100_000), 'c'.repeat(200_000), 'd'];
  const operations = texts.map(() => operation());
  for (const [i, it] of operations.entries()) await layer.keep(it, texts[i] as string, MINUTE);
  await countAnew();
  const answers = await Promise.all(operations.map((it) => layer.ask(it, bob, MINUTE)));
  expect(answers).toEqual(texts.map(entry));
  // Together the first two, then two alone.
  expect(await scripts()).toBe(3);
});

test('a Redis that has no room for a hold gives the neighbours their entries', async () => {
  const { layer } = await open();
  const operations = Array.from({ length: 4 }, () => operation());
  for (const it of operations) await layer.keep(it, 'text', MINUTE);
  onTestFinished(() => void redis.admin.config('SET', 'maxmemory', '0'));
  await redis.admin.config('SET', 'maxmemory', '1');
  await countAnew();
  const answers = await Promise.all(
    operations.flatMap((it) => [it, operation()]).map((it) => layer.ask(it, bob, 1)),
  );
  expect(answers).toEqual(operations.flatMap(() => [entry('text'), { kind: 'none', held: false }]));
  expect(await scripts()).toBe(1);
});

test('three who could not hold in a row open it, as three alone would', async () => {
  const { layer } = await open();
  const reports: string[] = [];
  layer.watch(({ kind }) => reports.push(kind));
  onTestFinished(() => void redis.admin.config('SET', 'maxmemory', '0'));
  await redis.admin.config('SET', 'maxmemory', '1');
  await Promise.all([operation(), operation()].map((it) => layer.ask(it, bob, 1)));
  expect(reports).toEqual([]);
  await layer.ask(operation(), bob, 1);
  expect(reports).toEqual(['opened']);
  await redis.admin.config('SET', 'maxmemory', '0');
  await expect.poll(() => reports, PATIENCE).toEqual(['opened', 'closed']);
});

test('scripts that Redis has forgotten are sent again', async () => {
  const { layer } = await open();
  const operations = [operation(), operation()];
  await Promise.all(operations.map((it) => layer.ask(it, alice, MINUTE)));
  await redis.admin.script('FLUSH');
  const answers = await Promise.all(operations.map((it) => layer.ask(it, bob, MINUTE)));
  expect(answers).toEqual([{ kind: 'held' }, { kind: 'held' }]);
});

test('who has no answer in time goes on without one, all after one time-out', async () => {
  const server = await startRedisServer();
  onTestFinished(() => server.close());
  const { layer } = await open({ connection: server.url, timeoutMs: 200 });
  const reports: string[] = [];
  layer.watch(({ kind }) => reports.push(kind));
  await server.admin.config('RESETSTAT');
  server.pause();
  const asking = Promise.all(Array.from({ length: 20 }, () => layer.ask(operation(), alice, MINUTE)));
  expect(await asking).toEqual(Array.from({ length: 20 }, () => ({ kind: 'none', held: false })));
  expect(reports).toEqual(['opened']);
  // From here on nobody waits at all.
  expect(await layer.ask(operation(), alice, MINUTE)).toEqual({ kind: 'none', held: false });
  server.resume();
  await expect.poll(() => reports, PATIENCE).toEqual(['opened', 'closed']);
});

test('where keys can not be asked for together, as behind a proxy of a Cluster, each is asked for alone', async () => {
  const busPort = await freePort();
  const server = await startRedisServer('--cluster-enabled', 'yes', '--cluster-port', String(busPort));
  onTestFinished(() => server.close());
  await server.admin.cluster('ADDSLOTSRANGE', 0, 16_383);
  await expect.poll(() => server.admin.cluster('INFO'), PATIENCE).toContain('cluster_state:ok');
  const { layer } = await open({ connection: server.url });
  const operations = Array.from({ length: 5 }, () => operation());
  await server.admin.config('RESETSTAT');
  const first = await Promise.all(operations.map((it) => layer.ask(it, alice, MINUTE)));
  expect(first).toEqual(operations.map(() => NONE));
  expect(await refused(server)).toBe(1);
  // It is known from now on.
  const second = await Promise.all(operations.map((it) => layer.ask(it, bob, MINUTE)));
  expect(second).toEqual(operations.map(() => ({ kind: 'held' })));
  expect(await refused(server)).toBe(1);
});

/** The same while this process stands still: what it has sent by now. */
function scriptsNow(): number {
  const { port } = new URL(redis.url);
  const program = `
    const socket = require('node:net').connect(${port}, '127.0.0.1', () => socket.write('INFO commandstats\\r\\nQUIT\\r\\n'));
    socket.pipe(process.stdout);
  `;
  const stats = execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' });
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

/** So many commands were turned down before they began. */
async function refused(server: RedisServer): Promise<number> {
  return Number(/errorstat_CROSSSLOT:count=(\d+)/.exec(await server.admin.info('errorstats'))?.[1] ?? 0);
}
