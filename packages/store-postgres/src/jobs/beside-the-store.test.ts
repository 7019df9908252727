import { randomBytes, randomUUID } from 'node:crypto';
import type { Job } from '@semel/contract/v1/pure';
import type { EnqueueRequest } from '@semel/server/store';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { COMPLETED, createFixture, databaseUrl, type Fixture, random, request } from '../testing/fixture.ts';
import { type PgBouncer, startPgBouncer } from '../testing/pgbouncer.ts';
import { createPgBossJobs, type PgBossJobs, type PgBossJobsOptions } from './pg-boss-jobs.ts';

// The two together: record and job are one commit, and what the queue repeats the record refuses.

/** Longer than any test: what is delivered was not found by polling. */
const NEVER_MS = 600_000;
const trace = { actor: 'worker' };

let db: Fixture;
let store: ReturnType<Fixture['store']>;
let jobsSchema: string;
const opened: PgBossJobs[] = [];
beforeAll(async () => {
  db = await createFixture('jobs');
  jobsSchema = `${db.schema}_jobs`;
  store = db.store();
});
afterAll(async () => {
  await db.sql(`DROP SCHEMA ${jobsSchema} CASCADE`);
  await db.close();
});

const open = async (more: Partial<PgBossJobsOptions> = {}) => {
  const queue = `q_${randomBytes(6).toString('hex')}`;
  const jobs = createPgBossJobs({ connection: databaseUrl, schema: jobsSchema, queue, ...more });
  opened.push(jobs);
  await jobs.start();
  return jobs;
};
let jobs: PgBossJobs;
beforeEach(async () => {
  jobs = await open({ pollEveryMs: NEVER_MS });
});
afterEach(() => Promise.all(opened.splice(0).map((each) => each.close())));

const accepted = (): EnqueueRequest => {
  const base = request();
  return {
    ...base,
    policy: { ...base.policy, mode: 'queued', onCrash: 'resume' },
    work: { principal: 'user-1', input: '{"amount":1250}' },
  };
};
const jobOf = ({ operationId, scope, procedure }: EnqueueRequest): Job => ({
  v: 1,
  operationId,
  scope,
  procedure,
});
const now = () => ({ id: randomUUID(), delayMs: 0 });

test('what is accepted is delivered to a worker of the same process without anybody polling', async () => {
  const { promise: delivered, resolve } = Promise.withResolvers<unknown>();
  await jobs.consume(async (job) => resolve(job), { concurrency: 1 });
  const asked = accepted();
  const sent = jobOf(asked);
  expect(await store.queue.enqueue(asked, (tx) => jobs.send(tx, sent, now()))).toMatchObject({ won: true });
  expect(await delivered).toEqual(sent);
});

test('of many that ask for one operation at the same time one sends its job', async () => {
  const asked = accepted();
  const sent = jobOf(asked);
  const results = await Promise.all(
    Array.from({ length: 8 }, () =>
      store.queue.enqueue({ ...asked, owner: random() }, (tx) => jobs.send(tx, sent, now())),
    ),
  );
  expect(results.filter(({ won }) => won)).toHaveLength(1);
  const rows = await db.sql(`SELECT 1 FROM ${jobsSchema}.job WHERE singleton_key = $1`, [asked.operationId]);
  expect(rows).toHaveLength(1);
});

test('an operation that isn’t accepted leaves no job behind', async () => {
  const asked = accepted();
  const refused = store.queue.enqueue(asked, async (tx) => {
    await jobs.send(tx, jobOf(asked), now());
    throw new Error('the caller hung up');
  });
  await expect(refused).rejects.toThrow('the caller hung up');
  expect(await store.find(asked.operationId)).toBeUndefined();
  expect(await jobs.waiting([asked.operationId])).toEqual(new Set());
});

test('a job that is delivered twice is started once', async () => {
  const asked = accepted();
  await store.queue.enqueue(asked, (tx) => jobs.send(tx, jobOf(asked), now()));
  await jobs.send(undefined, jobOf(asked), now());
  const kinds: string[] = [];
  const { promise: both, resolve } = Promise.withResolvers<void>();
  await jobs.consume(
    async (job) => {
      const { operationId } = job as Job;
      const { kind } = await store.queue.start({ operationId, owner: random(), trace });
      kinds.push(kind);
      if (kinds.length === 2) resolve();
    },
    { concurrency: 2 },
  );
  await both;
  expect(kinds.sort()).toEqual(['not_now', 'started']);
});

test('a worker that was taken for dead can’t settle what its successor runs', async () => {
  const asked = accepted();
  await store.queue.enqueue(asked, (tx) => jobs.send(tx, jobOf(asked), now()));
  const start = () => store.queue.start({ operationId: asked.operationId, owner: random(), trace });
  const first = await start();
  await db.travel(60_000); // its lease
  const second = await start();
  if (first.kind !== 'started' || second.kind !== 'started') throw new Error('both were started');
  expect([first.claim.attempt, second.claim.attempt]).toEqual([1, 2]);
  expect(await store.settle(first.claim, COMPLETED, trace)).toMatchObject({ kind: 'overtaken' });
  expect(await store.settle(second.claim, COMPLETED, trace)).toMatchObject({ kind: 'settled' });
});

const bouncer = await startPgBouncer(databaseUrl);
describe.skipIf(typeof bouncer === 'string')('behind PgBouncer in transaction mode', () => {
  const { url, stop } = bouncer as PgBouncer;
  afterAll(() => stop());

  test('jobs are sent in transactions, delivered, retried and dealt with', async () => {
    const behind = await open({ connection: url, pollEveryMs: 50, preparedStatements: false });
    const store = db.store({ connection: url, preparedStatements: false });
    const asked = Array.from({ length: 10 }, accepted);
    const counts = new Map<string, number>();
    const { promise: all, resolve } = Promise.withResolvers<void>();
    const consumer = await behind.consume(
      async (job) => {
        const { operationId } = job as Job;
        const count = (counts.get(operationId) ?? 0) + 1;
        counts.set(operationId, count);
        if (count === 1) throw new Error('again');
        if ([...counts.values()].every((each) => each > 1) && counts.size === 10) resolve();
      },
      { concurrency: 4 },
    );
    await Promise.all(
      asked.map((each) => store.queue.enqueue(each, (tx) => behind.send(tx, jobOf(each), now()))),
    );
    await all;
    await consumer.stop(10_000);
    expect(await behind.waiting(asked.map(({ operationId }) => operationId))).toEqual(new Set());
  });
});
