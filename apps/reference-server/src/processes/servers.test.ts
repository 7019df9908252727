import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureRedis } from '@semel/dev-services';
import { type Child, startChild } from '@semel/testing/faults';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createTestDatabase, type TestDatabase, until } from '../testing/rig.ts';
import type {} from '../testing/vitest-context.ts';

// `npm start -- --servers 3`, as a person starts it.

let database: TestDatabase;
let redis: Awaited<ReturnType<typeof ensureRedis>>;
let child: Child;
const dataDir = mkdtempSync(join(tmpdir(), 'servers-'));
let url: string;
beforeAll(async () => {
  [database, redis] = await Promise.all([createTestDatabase(inject('databaseUrl')), ensureRedis()]);
  child = await startChild({
    file: new URL('../main.ts', import.meta.url),
    args: ['--servers', '3'],
    readyTimeoutMs: 60_000,
    env: {
      NODE_ENV: undefined,
      STRIPE_API_KEY: undefined,
      PORT: '0',
      DATA_DIR: dataDir,
      LOG_LEVEL: 'info',
      DATABASE_URL: database.url,
      SEMEL_DEMO_KEYS: '1',
      REDIS_URL: redis.url,
      REDIS_PREFIX: `${new URL(database.url).pathname.slice(1)}:`,
      PROVIDER_URL: undefined,
      BILLING_URL: 'http://127.0.0.1:9',
      ROSTER_URL: 'http://127.0.0.1:9',
    },
  });
  url = String(child.ready.url);
});
afterAll(async () => {
  await child?.kill();
  await redis.stop();
  await database.close();
  rmSync(dataDir, { recursive: true, force: true });
});

/** Longer than any answer takes on a busy machine. */
const PATIENCE_MS = 20_000;

/** Each on a connection of its own, so that each may reach another server. */
const send = (path: string, key: string, body: unknown) =>
  fetch(`${url}${path}`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer sk_demo_acme',
      'content-type': 'application/json',
      'idempotency-key': `"${key}"`,
      connection: 'close',
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
const cut = (error: Error) => {
  if (error.name === 'TimeoutError') throw new Error(`a call was left waiting for ${PATIENCE_MS} ms`);
  return 'cut' as const;
};
const answered = (it: Response | 'cut') => (it === 'cut' ? undefined : it);
const order = (key: string) => send('/v1/orders', key, { sku: key, quantity: 1 });
const settled = (it: Response) => (it.status === 409 ? undefined : it);
const metrics = async () => {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  // A connection of before may be to a server that is no more.
  const answer = await fetch(`${url}/metrics`, { signal, headers: { connection: 'close' } }).catch(cut);
  return answer === 'cut' ? '' : answer.text();
};
const serversIn = (text: string) =>
  ['1', '2', '3', '4'].filter((number) => text.includes(`server="${number}"`));

async function serverPids(): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,args=']);
  const rows = stdout.split('\n').map((line) => /^ *(\d+) +(\d+) (.*)$/.exec(line));
  return rows.flatMap((row) =>
    row?.[2] === String(child.pid) && row[3]?.includes('main.ts') ? [Number(row[1])] : [],
  );
}

test('one port, several processes: an operation happens once, and each server replays it', async () => {
  // Who has waited long enough is told that it is in flight, and asks again.
  const answers = await Promise.all(
    Array.from({ length: 30 }, () => until(async () => settled(await order('cup')))),
  );
  const bodies = await Promise.all(answers.map((answer) => answer.text()));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
  expect(new Set(bodies).size).toBe(1);
  expect((await database.pool.query(`SELECT 1 FROM shop.orders WHERE sku = 'cup'`)).rowCount).toBe(1);
});

test('metrics are of all servers, each sample says whose it is, and what the layers answered is among them', async () => {
  for (let i = 0; i < 12; i++) await order('plate');
  const text = await metrics();
  expect(serversIn(text)).toEqual(['1', '2', '3']);
  expect(text.match(/^# TYPE idempotency_requests_total /gm)).toHaveLength(1);
  expect(text).toMatch(
    /idempotency_layer_requests_total\{server="\d",idempotency_layer="redis",idempotency_answer="hit"/,
  );
  expect(text).toMatch(
    /idempotency_layer_requests_total\{server="\d",idempotency_layer="process",idempotency_answer="hit"/,
  );
});

test('a server that is killed is started again, and every call of that moment is answered or cut, none left waiting', async () => {
  for (const n of [0, 1, 2]) {
    const before = await serverPids();
    expect(before).toHaveLength(3);
    const calls = Array.from({ length: 30 }, (_, i) => order(`while-${n}-${i}`).then(() => 'answered', cut));
    process.kill(before[n] as number, 'SIGKILL');
    await until(() => /server \d ended \(SIGKILL\) and is started again/.test(child.output()) || undefined);
    expect(await Promise.all(calls)).toContain('answered');
    // Again, by those that live: what was cut may have happened, and happens once.
    const again = await Promise.all(
      Array.from({ length: 30 }, (_, i) => until(() => order(`while-${n}-${i}`).catch(cut).then(answered))),
    );
    expect(again.map(({ status }) => status)).toEqual(Array(30).fill(201));
    await until(async () => (serversIn(await metrics()).length === 3 ? true : undefined));
    const after = await serverPids();
    expect(after).toHaveLength(3);
    expect(after.filter((pid) => before.includes(pid))).toHaveLength(2);
  }
  const { rows } = await database.pool.query(
    `SELECT count(*)::int AS orders FROM shop.orders WHERE sku LIKE 'while-%'`,
  );
  expect(rows).toEqual([{ orders: 90 }]);
}, 90_000);

test('SIGTERM: each server finishes what it does, and all end with 0', async () => {
  const paying = Promise.all(
    Array.from({ length: 6 }, (_, n) =>
      send('/v1/payments', `slow-${n}`, {
        amount: 450,
        currency: 'EUR',
        customer: 'cus_slow',
        reference: `r${n}`,
      }),
    ),
  );
  await until(() => ((child.output().match(/"event":"claimed"/g) ?? []).length >= 6 ? true : undefined));
  const pids = await serverPids();
  const exit = child.terminate();
  for (const answer of await paying)
    expect([answer.status, await answer.json()]).toMatchObject([201, { state: 'captured' }]);
  expect(await exit).toStrictEqual({ code: 0, signal: null });
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});
