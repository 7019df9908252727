import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CampusOracle, campusOracle } from '@semel/campus-sim';
import { type Child, startChild } from '@semel/testing/faults';
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest';
import { createTestDatabase, type TestDatabase, until } from '../testing/rig.ts';
import type {} from '../testing/vitest-context.ts';

vi.setConfig({ testTimeout: 60_000 }); // starts processes
const MAIN = new URL('../main.ts', import.meta.url);

let database: TestDatabase;
let dataDir: string;
const started: Child[] = [];
beforeEach(async () => {
  database = await createTestDatabase(inject('databaseUrl'));
  dataDir = mkdtempSync(join(tmpdir(), 'embedded-campus-'));
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((child) => child.kill()));
  await database.close();
  rmSync(dataDir, { recursive: true });
});

const start = async () => {
  const child = await startChild({
    file: MAIN,
    env: {
      NODE_ENV: undefined,
      PORT: '0',
      DATABASE_URL: database.url,
      DATA_DIR: dataDir,
      PROVIDER_URL: 'http://127.0.0.1:9',
      BILLING_URL: undefined,
      ROSTER_URL: undefined,
      SEMEL_DEMO_KEYS: '1',
      LOG_LEVEL: 'warn',
    },
  });
  started.push(child);
  const at = (name: string): CampusOracle => {
    const said = new RegExp(`${name} +simulator, (http://[^/]+)/_sim`).exec(child.output());
    return campusOracle(String(said?.[1]));
  };
  return { child, url: String(child.ready.url), billing: at('billing'), roster: at('roster') };
};
const enroll = (url: string, key: string) =>
  fetch(`${url}/trpc/enrollments.create`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer sk_demo_acme',
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    body: JSON.stringify({ json: { studentId: `student-${key}`, courseId: 'algebra' } }),
  });
const isGone = (oracle: CampusOracle) =>
  until(async () => ((await oracle.requests().catch(() => undefined)) === undefined ? true : undefined));

test('without addresses both services are started here, keep what they did, and end with the server', async () => {
  const first = await start();
  expect((await enroll(first.url, 'k')).status).toBe(200);
  expect(await first.child.terminate()).toStrictEqual({ code: 0, signal: null });
  await expect(first.billing.invoices()).rejects.toThrow('fetch failed');
  await expect(first.roster.seats()).rejects.toThrow('fetch failed');

  const second = await start();
  expect([second.billing.url, second.roster.url]).toStrictEqual([first.billing.url, first.roster.url]);
  expect((await enroll(second.url, 'k')).headers.get('idempotency-replayed')).toBe('true');
  expect(await second.billing.invoices()).toHaveLength(1);
  expect(await second.roster.seats()).toHaveLength(1);
  await second.child.kill(); // nobody is there to stop them
  await Promise.all([isGone(second.billing), isGone(second.roster)]);
});

test('servers that share a folder share its services, also when they start together', async () => {
  const [a, b] = await Promise.all([start(), start()]);
  expect([a.billing.url, a.roster.url]).toStrictEqual([b.billing.url, b.roster.url]);
  await Promise.all([a, b, a, b].map(({ url }) => enroll(url, 'shared')));
  expect(await a.billing.invoices()).toHaveLength(1);
});
