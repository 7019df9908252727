import {
  atomicRequest,
  createFixture,
  databaseUrl,
  type Fixture,
  keep,
} from '@semel/store-postgres/testing/fixture';
import { createTcpProxy, type TcpProxy } from '@semel/testing/faults';
import { afterAll, beforeAll, expect, test } from 'vitest';

let db: Fixture;
let proxy: TcpProxy;
beforeAll(async () => {
  db = await createFixture('attack_hole');
  const { hostname, port } = new URL(databaseUrl);
  proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } });
});
afterAll(async () => {
  await proxy.close();
  await db.close();
});

test('a handler whose query is swallowed by the network ends soon after its time limit', async () => {
  const store = db.store({ connection: proxy.url(databaseUrl), handlerConnections: 1 });
  const asked = atomicRequest({ timeoutMs: 100 });
  const ended = await store
    .atomically(asked, async (tx) => {
      for (const connection of proxy.connections) {
        connection.blackhole('toServer');
        connection.blackhole('toClient');
      }
      await tx.query('SELECT 1');
      return keep(1);
    })
    .catch((error: unknown) => error);
  expect(ended).toBeInstanceOf(Error);
  expect(await store.atomically(atomicRequest(), async () => keep('next'))).toMatchObject({ value: 'next' });
});

test('a sweep whose query is swallowed by the network ends', async () => {
  const url = new URL(proxy.url(databaseUrl));
  const store = db.store({ connection: { connectionString: url.toString(), query_timeout: 2_000 } });
  const sweep = () => store.sweepOrphans({ limit: 10, trace: { actor: 'test' } });
  await sweep();
  for (const connection of proxy.connections) connection.blackhole('toServer');
  await expect(sweep()).rejects.toThrow('store_unavailable');
  expect(await sweep()).toMatchObject({ complete: true });
});
