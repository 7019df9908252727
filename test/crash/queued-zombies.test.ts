import { randomUUID } from 'node:crypto';
import { createPgBossJobs, type PgBossJobs } from '@semel/store-postgres/jobs';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { bundleChild } from '../fixtures/bundle-child.ts';
import { mutate } from '../fixtures/plain-client.ts';
import { createStage, type ServerChild, type Stage } from '../fixtures/stage.ts';

// Workers that overtake one another: frozen past their lease, given the same work at once, with clocks that are wrong.

const LEASE_MS = 500;
const QUEUE = 'zombies';
const TIMEOUT = { timeout: 300_000 };

let stage: Stage;
let bundle: Awaited<ReturnType<typeof bundleChild>>;
let front: ServerChild;
let jobs: PgBossJobs;

beforeAll(async () => {
  [stage, bundle] = await Promise.all([createStage(inject('databaseUrl')), bundleChild()]);
  front = await stage.start({ file: bundle.file, leaseMs: LEASE_MS, queue: QUEUE, sweepMs: 200 });
  jobs = createPgBossJobs({
    connection: inject('databaseUrl'),
    schema: `${stage.schema}_jobs`,
    queue: QUEUE,
  });
});
afterEach(() => stage.putDown([front]));
afterAll(async () => {
  await jobs?.close();
  bundle?.remove();
  await stage?.close();
});

const startWorker = (work: number, clockSkewMs?: number) =>
  stage.start({
    file: bundle.file,
    leaseMs: LEASE_MS,
    queue: QUEUE,
    work,
    ...(clockSkewMs !== undefined && { clockSkewMs }),
  });

async function accept(path: string, input: object, key: string): Promise<string> {
  const answer = await mutate(front.url, path, input, { key });
  expect(answer.status, JSON.stringify(answer.body)).toBe(202);
  return String(answer.body.result.data.operationId);
}
const answerTo = (path: string, input: object, key: string) =>
  expect
    .poll(() => mutate(front.url, path, input, { key }), { timeout: 60_000, interval: 100 })
    .toMatchObject({ status: 200 });
const states = () => stage.sql('SELECT state::text, count(*)::int FROM {s}.operation GROUP BY 1 ORDER BY 1');
const jobsLeft = () => stage.sql('SELECT singleton_key FROM {s}_jobs.job');
const noJobIsLeft = () => expect.poll(jobsLeft, { timeout: 60_000, interval: 250 }).toEqual([]);

/** One worker stands still at its gate until another has settled the operation, then goes on. */
async function overtaken(path: string, gate: string) {
  const key = `${path}-${gate.replaceAll(' ', '-')}`;
  const input = { amount: 1250, gate };
  const zombie = await startWorker(1);
  const id = await accept(path, input, key);
  await zombie.message((said) => said.at === gate && said.id === id, [id]);
  await zombie.stop();
  await startWorker(2);
  await answerTo(path, input, key);
  const [before] = await stage.sql<{ outcome: string }>('SELECT outcome FROM {s}.operation WHERE key = $1', [
    key,
  ]);
  zombie.send({ open: id });
  zombie.cont();
  await expect.poll(() => stage.store.rejected(id), { timeout: 60_000 }).not.toEqual([]);
  const [after] = await stage.sql<{ outcome: string }>('SELECT outcome FROM {s}.operation WHERE key = $1', [
    key,
  ]);
  expect(after).toEqual(before);
  expect(await stage.history(key)).toEqual([
    'absent -> accepted (enqueued, 0)',
    'accepted -> processing (started, 1)',
    'processing -> processing (overtaken, 2)',
    'processing -> completed (succeeded, 2)',
  ]);
  // The zombie still lives: it has told the queue how its delivery ended, and nothing came of it.
  await noJobIsLeft();
  return { key, rejected: await stage.store.rejected(id), effects: await stage.effects(key) };
}

test("a zombie's late transaction is rolled back, its settlement refused and kept", TIMEOUT, async () => {
  const { rejected, effects } = await overtaken('queuedPay', 'in settle');
  expect(effects).toEqual({ orders: 0, payments: 1, reservations: 0, charges: 1 });
  expect(rejected).toMatchObject([
    {
      storedState: 'completed',
      storedAttempt: 2,
      attemptedState: 'completed',
      attemptedAttempt: 1,
      evidence: expect.stringContaining('paymentId'),
    },
  ]);
});

test("a zombie's late settlement by a commit of its own is refused and kept", TIMEOUT, async () => {
  const { rejected, effects } = await overtaken('queuedPayPlain', 'after charge');
  expect(effects).toEqual({ orders: 0, payments: 0, reservations: 0, charges: 1 });
  expect(rejected).toMatchObject([
    { storedState: 'completed', attemptedState: 'completed', attemptedAttempt: 1 },
  ]);
});

test("a zombie's late call to the provider has its successor's child key: one charge", TIMEOUT, async () => {
  const { key, rejected, effects } = await overtaken('queuedPay', 'in charge');
  expect(effects).toEqual({ orders: 0, payments: 1, reservations: 0, charges: 1 });
  const [charge] = await stage.provider.charges(key);
  expect(stage.provider.requests(charge?.idempotencyKey ?? '')).toHaveLength(2);
  expect(rejected).toMatchObject([
    {
      storedState: 'completed',
      attemptedState: 'step',
      attemptedAttempt: 1,
      evidence: expect.stringContaining('pi_'),
    },
  ]);
});

test('what is delivered four times at once, to two workers, runs once', TIMEOUT, async () => {
  const keys = Array.from({ length: 40 }, (_, n) => `four-times-${n}`);
  const ids = await Promise.all(keys.map((key) => accept('queuedPay', { amount: 5 }, key)));
  for (const operationId of ids) {
    const job = { v: 1, operationId, scope: 'alice', procedure: 'queuedPay' } as const;
    for (let more = 0; more < 3; more++) {
      await jobs.send(undefined, job, { id: randomUUID(), delayMs: 0 });
    }
  }
  expect(await jobsLeft()).toHaveLength(160);
  await Promise.all([startWorker(8), startWorker(8)]);
  await noJobIsLeft();
  for (const key of keys) {
    expect(await stage.effects(key), key).toEqual({ orders: 0, payments: 1, reservations: 0, charges: 1 });
    expect(await stage.history(key), key).toEqual([
      'absent -> accepted (enqueued, 0)',
      'accepted -> processing (started, 1)',
      'processing -> completed (succeeded, 1)',
    ]);
  }
});

test(
  'workers whose clocks are an hour off, one ahead and one behind, agree about leases and delays',
  TIMEOUT,
  async () => {
    const keys = Array.from({ length: 30 }, (_, n) => `skew-${n}`);
    const input = { amount: 5, fails: 2, customer: 'cus_ok' };
    await Promise.all(keys.map((key) => accept('queuedPay', input, key)));
    await Promise.all([startWorker(4, 3_600_000), startWorker(4, -3_600_000)]);
    for (const key of keys) {
      await answerTo('queuedPay', input, key);
      expect(await stage.effects(key), key).toEqual({ orders: 0, payments: 1, reservations: 0, charges: 1 });
      const attempts = (await stage.history(key)).filter((line) => line.endsWith('processing (started, 1)'));
      expect(attempts, key).toHaveLength(1);
      expect((await stage.history(key)).at(-1), key).toBe('processing -> completed (succeeded, 3)');
    }
    expect(await states()).toMatchObject([{ state: 'completed' }]);
  },
);
