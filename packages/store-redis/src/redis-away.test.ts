import { createTcpProxy } from '@semel/testing/faults';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createRedisLayer, type RedisLayer } from './redis-layer.ts';
import { alice, bob, layersOn, MINUTE, operation, PATIENCE } from './testing/layers.ts';
import { type RedisServer, startCluster, startRedisServer } from './testing/redis-server.ts';

// Redis, or the way to it, is gone for a while: what the layer says meanwhile, and what it owes afterwards.

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedisServer();
});
afterAll(() => redis.close());
const { open, subscribed } = layersOn(() => redis);

test('who waits is woken by messages again after the network has swallowed the connection they came on', async () => {
  const proxy = await createTcpProxy({ target: { host: '127.0.0.1', port: redis.port } });
  try {
    const reports: string[] = [];
    const { layer, prefix } = await open({
      connection: { port: proxy.port },
      timeoutMs: 200,
      pollMs: 10 * MINUTE,
    });
    layer.watch(({ kind }) => reports.push(kind));
    await layer.changed(operation(), 1);
    await subscribed(prefix);
    // Neither side is ever told; new connections get through.
    for (const connection of proxy.connections) {
      connection.blackhole('toServer');
      connection.blackhole('toClient');
    }
    while (reports.length === 0) await layer.ask(operation(), alice, MINUTE);
    await expect.poll(() => reports, PATIENCE).toEqual(['opened', 'closed']);

    const it = operation();
    await layer.ask(it, alice, MINUTE);
    await layer.ask(it, bob, MINUTE);
    let isWoken = false;
    void layer.changed(it, 10 * MINUTE).then(() => {
      isWoken = true;
    });
    // The old subscription is still counted by a server that was told nothing.
    await subscribed(prefix, 2);
    await layer.keep(it, 'text', MINUTE);
    await expect.poll(() => isWoken, PATIENCE).toBe(true);
  } finally {
    await proxy.close();
  }
});

/** An operation whose node doesn't answer. */
async function operationOutOfReach(layer: RedisLayer) {
  for (;;) {
    const it = operation();
    const answer = await layer.ask(it, alice, MINUTE);
    if (answer.kind === 'none' && !answer.held) return it;
  }
}

test('on a Cluster one node that stands still opens it once, and it stays open until that node answers', async () => {
  const nodes = await startCluster();
  try {
    const connection = { cluster: nodes.map(({ port }) => ({ port })) };
    // Time enough for the others: a probe goes where the last failure was, and that has to be this node.
    const { layer } = await open({ connection, timeoutMs: 1_000 });
    const reports: string[] = [];
    layer.watch(({ kind }) => reports.push(kind));
    nodes[1]?.pause();
    const theirs = await operationOutOfReach(layer);
    while (reports.length === 0) await layer.ask(theirs, alice, MINUTE);
    // Two of three would answer: a probe that asked them would close it, and the next requests open it again.
    for (let i = 0; i < 200; i++) {
      expect(await layer.ask(operation(), alice, MINUTE)).toEqual({ kind: 'none', held: false });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(reports).toEqual(['opened']);
    nodes[1]?.resume();
    await expect.poll(() => reports, PATIENCE).toEqual(['opened', 'closed']);
    await layer.close();
  } finally {
    await Promise.all(nodes.map((redis) => redis.close()));
  }
}, 60_000);

test('without a Redis it knows nothing, and says so once', async () => {
  const reports: string[] = [];
  const layer = createRedisLayer({ connection: 'redis://127.0.0.1:1', timeoutMs: 50 });
  onTestFinished(() => layer.close());
  layer.watch(({ kind }) => reports.push(kind));
  expect(await layer.ready()).toBe(false);
  for (let i = 0; i < 10; i++) {
    expect(await layer.ask(operation(), alice, MINUTE)).toEqual({ kind: 'none', held: false });
  }
  expect(reports).toEqual(['opened']);
});

test.each([
  ['nobody had missed until then', 0],
  ['was known to be away', 3],
])(
  'a purge that a Redis did not hear of, which %s, is told before it is asked again',
  async (_, failures) => {
    const reports: string[] = [];
    const { layer } = await open({ timeoutMs: 200 });
    layer.watch(({ kind }) => reports.push(kind));
    const it = operation();
    await layer.keep(it, 'text', MINUTE);
    redis.pause();
    await Promise.all(Array.from({ length: failures }, () => layer.ask(operation(), alice, MINUTE)));
    await layer.forget(it, MINUTE);
    redis.resume();
    await expect.poll(() => reports, PATIENCE).toEqual(['opened', 'closed']);
    expect(await layer.ask(it, bob, MINUTE)).toEqual({ kind: 'none', held: false });
  },
);
