// The server dies under a client that keeps asking, and comes back on the same data.
import { createSemelClient, outcomeOf, type SemelClientOptions } from '@semel/client';
import { migratePostgres } from '@semel/store-postgres';
import { createTcpProxy, startChild } from '@semel/testing/faults';
import { createTRPCClient, httpBatchLink } from '@trpc/client';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { ChildRouter } from './child-shop.ts';
import { loseNextAnswer } from './network.ts';
import { afterwards } from './stage.ts';

const schema = `t_client_restart_${process.pid}`;
const databaseUrl = inject('databaseUrl');
let pool: pg.Pool;

beforeAll(async () => {
  await migratePostgres({ connection: databaseUrl, schema });
  pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  pool.on('error', () => {});
  await pool.query(
    `CREATE TABLE ${schema}.effect (note text); CREATE TABLE ${schema}.charge (key text PRIMARY KEY)`,
  );
});
afterAll(async () => {
  await pool.query(`DROP SCHEMA ${schema} CASCADE`);
  await pool.end();
});

const startServer = async (settings: { port?: number; hold?: string; database?: string } = {}) => {
  const child = await startChild<{ at: string }>({
    file: new URL('./child-shop.ts', import.meta.url),
    env: {
      DATABASE_URL: settings.database ?? databaseUrl,
      SCHEMA: schema,
      PORT: String(settings.port ?? 0),
      HOLD: settings.hold,
    },
  });
  afterwards(child.kill);
  return { ...child, port: Number(child.ready.port) };
};

function connect(port: number, options: SemelClientOptions['retry'] = {}) {
  const semel = createSemelClient({
    retry: {
      baseMs: 20,
      capMs: 200,
      maxAttempts: 1_000,
      deadlineMs: 25_000,
      budget: { max: 1_000, refillPerSuccess: 1 },
      ...options,
    },
    inFlight: { firstMs: 20, factor: 1.6, capMs: 100 },
  });
  const http = httpBatchLink({
    url: `http://127.0.0.1:${port}`,
    headers: semel.headers(),
    fetch: semel.fetch(),
  });
  const api = createTRPCClient<ChildRouter>({ links: [semel.link(), http] });
  const retried = () =>
    new Promise<void>((resolve) => {
      const off = semel.on('retry', () => {
        off();
        resolve();
      });
    });
  return { api, retried };
}

const effects = async (key: string): Promise<number> => {
  const { rows } = await pool.query(`SELECT count(*)::int AS n FROM ${schema}.effect WHERE note = $1`, [key]);
  return rows[0].n;
};
const named = (key: string) => ({ context: { idempotencyKey: key } });

it('killed before its commit, it does the order once when it is back', async () => {
  const first = await startServer({ hold: 'written' });
  const { api, retried } = connect(first.port);
  const outcome = outcomeOf(() => api.order.mutate({ sku: 'tea' }, named('before-commit')));
  await first.message(({ at }) => at === 'written');
  const again = retried();
  await first.kill();
  await again;
  expect(await effects('before-commit')).toBe(0);
  await startServer({ port: first.port });
  expect(await outcome).toMatchObject({ status: 'completed', data: { sku: 'tea' }, replayed: false });
  expect(await effects('before-commit')).toBe(1);
});

it('killed after its commit, with the answer on its way, it replays the answer when it is back', async () => {
  const first = await startServer();
  const proxy = await createTcpProxy({ target: { host: '127.0.0.1', port: first.port } });
  afterwards(proxy.close);
  const { api, retried } = connect(proxy.port);
  const lost = loseNextAnswer(proxy);
  const outcome = outcomeOf(() => api.order.mutate({ sku: 'tea' }, named('after-commit')));
  const connection = await lost;
  const again = retried();
  await first.kill();
  connection.reset();
  await again;
  await startServer({ port: first.port });
  expect(await outcome).toMatchObject({ status: 'completed', data: { sku: 'tea' }, replayed: true });
  expect(await effects('after-commit')).toBe(1);
});

it('killed between the charge and its record, it goes on under the same child key', async () => {
  const first = await startServer({ hold: 'charged' });
  const { api } = connect(first.port);
  const outcome = outcomeOf(() => api.pay.mutate({ sku: 'tea' }, named('charged')));
  await first.message(({ at }) => at === 'charged');
  await first.kill();
  await startServer({ port: first.port });
  expect(await outcome).toMatchObject({ status: 'completed', data: { sku: 'tea' }, replayed: false });
  expect(await effects('charged')).toBe(1);
  const { rows } = await pool.query(`SELECT count(*)::int AS n FROM ${schema}.charge`);
  expect(rows[0].n).toBe(1);
});

it('out of reach of its database, it is asked again later, and nothing is done in between', async () => {
  const { hostname, port } = new URL(databaseUrl);
  const database = await createTcpProxy({ target: { host: hostname, port: Number(port) } });
  afterwards(async () => {
    await database.refuse();
    database.cut();
  });
  const server = await startServer({ database: database.url(databaseUrl) });
  await database.refuse();
  database.cut();
  const { api, retried } = connect(server.port);
  const outcome = outcomeOf(() => api.order.mutate({ sku: 'tea' }, named('no-database')));
  await retried();
  expect(await effects('no-database')).toBe(0);
  await database.accept();
  expect(await outcome).toMatchObject({ status: 'completed', data: { sku: 'tea' }, replayed: false });
  expect(await effects('no-database')).toBe(1);
});
