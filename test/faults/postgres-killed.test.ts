import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePostgres } from '@semel/dev-services';
import { createTcpProxy } from '@semel/testing/faults';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inLanes } from '../crash/lanes.ts';
import { type Answer, mutateFirmly } from '../fixtures/plain-client.ts';
import { createStage, type Stage } from '../fixtures/stage.ts';

// A Postgres of this file's own, killed (-9) and started again under load. The servers reach it through a proxy, because
// it comes back on another port.
const isForeign = process.env.DATABASE_URL !== undefined;

let dir: string;
let postgres: Awaited<ReturnType<typeof ensurePostgres>>;
let proxy: Awaited<ReturnType<typeof createTcpProxy>>;
let stage: Stage;
const target = { host: '127.0.0.1', port: 0 };

async function startPostgres(): Promise<void> {
  postgres = await ensurePostgres({ persistTo: dir });
  target.port = Number(new URL(postgres.url).port);
}

/** Its backends notice by themselves; until the last has gone, a new one refuses to start. */
async function killPostgres(): Promise<void> {
  const [pid] = readFileSync(join(dir, 'postmaster.pid'), 'utf8').split('\n');
  process.kill(Number(pid), 'SIGKILL');
}

async function restartPostgres(): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await startPostgres();
    } catch (error) {
      if (tries === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

beforeAll(async () => {
  if (isForeign) return;
  dir = await mkdtemp(join(tmpdir(), 'pg-killed-'));
  await startPostgres();
  proxy = await createTcpProxy({ target });
  stage = await createStage(proxy.url(postgres.url));
});
afterAll(async () => {
  await stage?.close();
  // Not close(): a socket that was ended with bytes unsent and then reset never says that it is closed.
  await proxy?.refuse();
  proxy?.cut();
  await postgres?.stop();
  if (dir) await rm(dir, { recursive: true, force: true });
});

test.skipIf(isForeign)(
  'killed and restarted twice under load: no effect twice, nothing acknowledged lost, every call answered',
  { timeout: 180_000 },
  async () => {
    const servers = await Promise.all([stage.start({ leaseMs: 500 }), stage.start({ leaseMs: 500 })]);
    let turn = 0;
    const url = () => servers[turn++ % 2]?.url ?? '';
    const calls = Array.from({ length: 600 }, (_, n) =>
      n % 3 === 0
        ? { path: 'pay', input: { amount: 1250 }, key: `pay-${n}` }
        : { path: 'order', input: { sku: 'book' }, key: `order-${n}` },
    );
    const answers = new Map<string, Answer>();
    const killed: Promise<void>[] = [];
    await inLanes(16, calls, async ({ path, input, key }) => {
      answers.set(key, await mutateFirmly(url, path, input, { key, untilKnown: true }));
      if (answers.size === 150 || answers.size === 350) killed.push(killPostgres().then(restartPostgres));
    });
    await Promise.all(killed);

    const failed = [...answers]
      .filter(([, { status }]) => status !== 200)
      .map(([key, { body }]) => [key, body]);
    expect(failed).toEqual([]);
    expect(killed.length).toBe(2);
    // Once each, in the database and at the provider, and under the id that was answered.
    const stored = await stage.sql<{ key: string; answer: string }>(
      `SELECT key, id::text AS answer FROM {s}.orders UNION ALL SELECT key, id::text FROM {s}.payments`,
    );
    const idOf = ({ body }: Answer) => body.result.data.orderId ?? body.result.data.paymentId;
    expect(stored.length).toBe(600);
    expect(new Map(stored.map(({ key, answer }) => [key, answer]))).toEqual(
      new Map([...answers].map(([key, answer]) => [key, idOf(answer)])),
    );
    const charges = await stage.provider.charges();
    expect([charges.length, new Set(charges.map(({ reference }) => reference)).size]).toEqual([200, 200]);
    // And it stays so: every key replays what was answered.
    const again = await Promise.all(
      calls.slice(0, 50).map(({ path, input, key }) => mutateFirmly(url, path, input, { key })),
    );
    expect(again.map(({ body }) => body)).toEqual(
      calls.slice(0, 50).map(({ key }) => answers.get(key)?.body),
    );
    const [taken] = await stage.sql<{ n: number }>(
      `SELECT count(*)::int AS n FROM {s}.operation WHERE attempt > 1`,
    );
    console.log(`postgres killed twice under load: 600 calls, ${taken?.n} of them needed another attempt`);
  },
);
