import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { bundleChild } from '../fixtures/bundle-child.ts';
import { mutate, mutateFirmly } from '../fixtures/plain-client.ts';
import { createStage, type ServerChild, type Stage } from '../fixtures/stage.ts';

// The queue forgets, entirely, while it is in use. The records don't: healing (here after 300 ms) sends again.

const QUEUE = 'lost';
const INPUT = { amount: 3, fails: 1 };

let stage: Stage;
let bundle: Awaited<ReturnType<typeof bundleChild>>;
beforeAll(async () => {
  [stage, bundle] = await Promise.all([createStage(inject('databaseUrl')), bundleChild()]);
});
afterEach(() => stage.putDown());
afterAll(async () => {
  bundle?.remove();
  await stage?.close();
});

const start = (work?: number): Promise<ServerChild> =>
  stage.start({
    file: bundle.file,
    leaseMs: 1_000,
    queue: QUEUE,
    sweepMs: 500,
    ...(work !== undefined && { work }),
  });
const accept = async (server: ServerChild, name: string, count: number) => {
  const keys = Array.from({ length: count }, (_, n) => `${name}-${n}`);
  await Promise.all(
    keys.map(async (key) => {
      const answer = await mutateFirmly(server.url, 'queuedPay', INPUT, { key });
      expect(answer.status).toBeLessThan(300);
    }),
  );
  return keys;
};
const jobsLeft = async () => (await stage.sql('SELECT FROM {s}_jobs.job')).length;
const unfinished = (name: string) => () =>
  stage.sql(`SELECT key, state FROM {s}.operation WHERE key LIKE $1 AND state <> 'completed'`, [`${name}-%`]);
const finished = async (name: string) => {
  const rows = await stage.sql(`SELECT FROM {s}.operation WHERE key LIKE $1 AND state = 'completed'`, [
    `${name}-%`,
  ]);
  return rows.length;
};

async function expectEachOnce(name: string, keys: readonly string[]): Promise<void> {
  await expect.poll(unfinished(name), { timeout: 90_000, interval: 100 }).toEqual([]);
  for (const key of keys) {
    expect(await stage.effects(key), key).toEqual({ orders: 0, payments: 1, reservations: 0, charges: 1 });
  }
}

test('jobs that are lost before and while workers run are sent again, and each is done once', {
  timeout: 600_000,
}, async () => {
  const front = await start();
  const keys = await accept(front, 'truncated', 60);
  expect(await jobsLeft()).toBe(60);
  await stage.sql('TRUNCATE {s}_jobs.job');
  expect(await jobsLeft()).toBe(0);
  await Promise.all([start(4), start(4)]);
  await expect.poll(() => finished('truncated'), { timeout: 90_000 }).toBeGreaterThan(10);
  await stage.sql('TRUNCATE {s}_jobs.job');
  keys.push(...(await accept(front, 'truncated-again', 20)));
  await stage.sql('TRUNCATE {s}_jobs.job');
  await expectEachOnce('truncated', keys);
});

test('a queue whose schema is dropped while workers run is made again, and each job is done once', {
  timeout: 600_000,
}, async () => {
  const front = await start();
  const keys = await accept(front, 'dropped', 60);
  await Promise.all([start(4), start(4)]);
  await expect.poll(() => finished('dropped'), { timeout: 90_000 }).toBeGreaterThan(5);
  await stage.sql('DROP SCHEMA {s}_jobs CASCADE');
  // Without a queue nothing is accepted, and nothing remains of it.
  const answer = await mutate(front.url, 'queuedPay', INPUT, { key: 'meanwhile' });
  if (answer.status === 503) {
    expect(await stage.sql(`SELECT FROM {s}.operation WHERE key = 'meanwhile'`)).toEqual([]);
  }
  keys.push(...(await accept(front, 'dropped', 80)).slice(60));
  await expectEachOnce('dropped', keys);
});
