import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startChild } from '@semel/testing/faults';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { createTestDatabase, type TestDatabase, until } from './testing/rig.ts';
import type {} from './testing/vitest-context.ts';

vi.setConfig({ testTimeout: 120_000 }); // whole processes are started, on a machine that may be busy
const MAIN = new URL('./main.ts', import.meta.url);
const KEYS = fileURLToPath(new URL('./keys-command.ts', import.meta.url));
let database: TestDatabase;
let dataDir: string;
beforeAll(async () => {
  database = await createTestDatabase(inject('databaseUrl'));
  dataDir = mkdtempSync(join(tmpdir(), 'reference-server-'));
});
afterAll(async () => {
  await database.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const NOTHING = {
  NODE_ENV: undefined,
  DATABASE_URL: undefined,
  REDIS_URL: undefined,
  PROVIDER_URL: undefined,
  STRIPE_API_KEY: undefined,
  // Nobody is enrolled here (enrollments/embedded-campus.test.ts): no need to start the services.
  BILLING_URL: 'http://127.0.0.1:9',
  ROSTER_URL: 'http://127.0.0.1:9',
};
const start = (env: Record<string, string | undefined>) =>
  startChild({
    file: MAIN,
    env: { ...NOTHING, PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'info', ...env },
    readyTimeoutMs: 60_000,
  });
const pay = (url: string, key: string, customer: string) =>
  fetch(`${url}/trpc/payments.create`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer sk_demo_acme',
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    body: JSON.stringify({ json: { amount: 450, currency: 'EUR', customer, reference: key } }),
  });
const node = (file: string, args: string[], env: Record<string, string | undefined>) =>
  promisify(execFile)(process.execPath, ['--conditions=@semel/source', file, ...args], {
    env: { ...process.env, ...NOTHING, ...env },
  });

test('SIGTERM in the middle of a payment: it is finished and answered, and the process ends with 0', async () => {
  const child = await start({ DATABASE_URL: database.url, SEMEL_DEMO_KEYS: '1' });
  const paying = pay(String(child.ready.url), 'term', 'cus_slow');
  await until(() => (child.output().includes('"event":"claimed"') ? true : undefined));
  const exit = child.terminate();
  const answer = await paying;
  expect([answer.status, await answer.json()]).toMatchObject([
    200,
    { result: { data: { json: { state: 'captured' } } } },
  ]);
  expect(await exit).toStrictEqual({ code: 0, signal: null });
});

test('embedded data survives a restart: the answer is the stored one, and the card is charged once', async () => {
  const first = await start({});
  const before = await pay(String(first.ready.url), 'restart', 'cus_ok');
  const paid = await before.json();
  expect((await first.terminate()).code).toBe(0);
  const second = await start({});
  const after = await pay(String(second.ready.url), 'restart', 'cus_ok');
  expect(after.headers.get('idempotency-replayed')).toBe('true');
  expect(await after.json()).toStrictEqual(paid);
  const simulator = /simulator, (\S+)/.exec(second.output())?.[1] as string;
  expect(await (await fetch(`${simulator}?reference=restart`)).json()).toHaveLength(1);
  expect((await second.terminate()).code).toBe(0);
});

test('wrong settings end the process with one message and no stack', async () => {
  const failed = await node(fileURLToPath(MAIN), [], { PORT: 'x', LOG_LEVEL: 'loud' }).catch(
    (error: unknown) => error,
  );
  expect(failed).toMatchObject({ code: 1, stdout: '' });
  const { stderr } = failed as { stderr: string };
  expect(stderr).toMatch(/^reference-server: These settings are wrong:\n {2}PORT .*\n {2}LOG_LEVEL .*\n$/);
});

test('a key is shown once, works, is listed without itself, and can be revoked', async () => {
  const env = { DATABASE_URL: database.url };
  const made = await node(KEYS, ['create', '--tenant', 'initech', '--role', 'viewer'], env);
  const key = made.stdout.split('\n', 1)[0] as string;
  const id = /key_\S+/.exec(made.stdout)?.[0] as string;
  expect(key).toMatch(/^sk_[\w-]{43}$/);

  const child = await start({ ...env, PROVIDER_URL: 'http://127.0.0.1:9' });
  const list = () =>
    fetch(`${String(child.ready.url)}/trpc/payments.list`, { headers: { authorization: `Bearer ${key}` } });
  expect((await list()).status).toBe(200);
  expect((await node(KEYS, ['list'], env)).stdout).toContain(`${id}\tinitech\tviewer`);
  expect((await node(KEYS, ['list'], env)).stdout).not.toContain(key);
  await node(KEYS, ['revoke', '--id', id], env);
  expect((await list()).status).toBe(401);
  expect((await child.terminate()).code).toBe(0);
});

test('keys of an embedded server start its Postgres and nothing else', async () => {
  const started = join(dataDir, 'redis-was-started');
  writeFileSync(join(dataDir, 'redis-server'), `#!/bin/sh\n: > '${started}'\nexit 1\n`, { mode: 0o755 });
  const env = { DATA_DIR: join(dataDir, 'keys'), PATH: `${dataDir}${delimiter}${process.env.PATH}` };
  expect((await node(KEYS, ['list'], env)).stdout).toBe('There are no keys yet.\n');
  expect(existsSync(started)).toBe(false);
});

test.each([
  [['create', '--tenant', 'x', '--role', 'king']],
  [['create', '--role', 'viewer']],
  [['revoke']],
  [[]],
])('keys %j explains itself and ends with 1', async (args) => {
  const failed = await node(KEYS, args, { DATABASE_URL: database.url }).catch((error: unknown) => error);
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('usage:') });
});
