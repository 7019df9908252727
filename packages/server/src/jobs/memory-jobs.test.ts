import { expect, test, vi } from 'vitest';
import { createStagedTransaction } from '../store/memory-transaction.ts';
import { createMemoryJobs } from './memory-jobs.ts';

const job = (operationId: string) => ({ v: 1 as const, operationId, scope: 's', procedure: 'p' });

/** Time that the test moves. */
function createTime() {
  const due: { at: number; call: () => void }[] = [];
  let now = 0;
  return {
    after: (ms: number, call: () => void) => void due.push({ at: now + ms, call }),
    pass(ms: number) {
      now += ms;
      for (const one of due.splice(0)) {
        if (one.at <= now) one.call();
        else due.push(one);
      }
    },
  };
}
const soon = () => new Promise((resolve) => setImmediate(resolve));

test('a job exists if and only if its transaction commits', async () => {
  const jobs = createMemoryJobs();
  const delivered: unknown[] = [];
  await jobs.consume(async (one) => void delivered.push(one), { concurrency: 1 });
  const transaction = () => createStagedTransaction(new Map(), () => 0, 1000);
  const [committed, rolledBack] = [transaction(), transaction()];
  await jobs.send(committed, job('committed'), { id: 'a', delayMs: 0 });
  await jobs.send(rolledBack, job('rolled back'), { id: 'b', delayMs: 0 });
  await soon();
  expect(delivered).toEqual([]);
  committed.commit();
  await soon();
  expect(delivered).toEqual([job('committed')]);
});

test('one id is one job, also when it was dealt with long ago', async () => {
  const jobs = createMemoryJobs();
  const delivered: unknown[] = [];
  await jobs.consume(async (one) => void delivered.push(one), { concurrency: 2 });
  for (let i = 0; i < 3; i++) {
    await jobs.send(undefined, job('o'), { id: 'same', delayMs: 0 });
    await soon();
  }
  expect(delivered).toHaveLength(1);
});

test('a delivery that fails is made again, later, and counts as waiting until one succeeds', async () => {
  const time = createTime();
  const jobs = createMemoryJobs({ againMs: 100, after: time.after });
  let deliveries = 0;
  await jobs.consume(
    async () => {
      deliveries++;
      if (deliveries < 3) throw new Error('not now');
    },
    { concurrency: 1 },
  );
  await jobs.send(undefined, job('o'), { id: 'a', delayMs: 50 });
  expect(await jobs.waiting(['o', 'other'])).toEqual(new Set(['o']));
  for (const [ms, expected] of [
    [49, 0],
    [1, 1],
    [99, 1],
    [1, 2],
    [100, 3],
  ] as const) {
    time.pass(ms);
    await soon();
    expect(deliveries).toBe(expected);
  }
  expect(await jobs.waiting(['o'])).toEqual(new Set());
});

test('delivers at most as many at a time as asked, and none once it is stopped', async () => {
  const jobs = createMemoryJobs();
  const ends: (() => void)[] = [];
  let most = 0;
  let running = 0;
  const consumer = await jobs.consume(
    async () => {
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => ends.push(resolve));
      running--;
    },
    { concurrency: 2 },
  );
  for (let i = 0; i < 5; i++) await jobs.send(undefined, job(`${i}`), { id: `${i}`, delayMs: 0 });
  await vi.waitFor(() => expect(running).toBe(2));
  const stopped = consumer.stop(60_000);
  for (const end of ends) end();
  await stopped;
  expect([most, running, ends.length]).toEqual([2, 0, 2]);
  expect((await jobs.waiting(['0', '1', '2', '3', '4'])).size).toBe(3);
});

test('a stop does not wait beyond its deadline', async () => {
  const jobs = createMemoryJobs();
  const begun = Promise.withResolvers<void>();
  const consumer = await jobs.consume(
    () => {
      begun.resolve();
      return new Promise(() => undefined);
    },
    { concurrency: 1 },
  );
  await jobs.send(undefined, job('o'), { id: 'a', delayMs: 0 });
  await begun.promise;
  await consumer.stop(1);
});
