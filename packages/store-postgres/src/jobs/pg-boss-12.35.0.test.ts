import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Job } from '@semel/contract/v1/pure';
import pg from 'pg';
import { PgBoss } from 'pg-boss';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { databaseUrl } from '../testing/fixture.ts';
import { createPgBossJobs, type PgBossJobs } from './pg-boss-jobs.ts';
import { FETCH_RULES, QUEUE_RULES } from './rules.ts';

// What the adapter was built on, as facts about the version that is pinned, and beside each what it can't do to us. Run on
// each upgrade: a fact that has changed is a decision to look at again, and this file is renamed.

const schema = `t_pin_${randomBytes(4).toString('hex')}`;
const pool = new pg.Pool({ connectionString: databaseUrl, max: 4 });
let boss: PgBoss;
const opened: PgBossJobs[] = [];

beforeAll(async () => {
  boss = new PgBoss({
    connectionString: databaseUrl,
    schema,
    supervise: false,
    schedule: false,
    monitorIntervalSeconds: 1,
    maintenanceIntervalSeconds: 1,
  });
  boss.on('error', () => {});
  await boss.start();
});
afterAll(async () => {
  await Promise.all(opened.map((jobs) => jobs.close()));
  await boss.stop({ graceful: false });
  await pool.query(`DROP SCHEMA ${schema} CASCADE`);
  await pool.end();
});

const newQueue = () => `q_${randomBytes(6).toString('hex')}`;
const open = (queue: string) => {
  const jobs = createPgBossJobs({ connection: databaseUrl, schema, queue, pollEveryMs: 50 });
  opened.push(jobs);
  return jobs;
};
const job = (): Job => ({ v: 1, operationId: `op_${randomUUID()}`, scope: 's', procedure: 'p' });
const stateOf = async (id: string) => {
  const { rows } = await pool.query(`SELECT state FROM ${schema}.job WHERE id = $1`, [id]);
  return rows[0]?.state;
};
/** Its worker has said nothing for a day, or has run for more than one. */
const lapse = (id: string) =>
  pool.query(
    `UPDATE ${schema}.job SET started_on = started_on - interval '2 days', heartbeat_on = heartbeat_on - interval '2 days'
     WHERE id = $1`,
    [id],
  );
/** How many jobs a command had an effect on; missing in pg-boss' types. */
const affected = (response: object) => (response as { affected: number }).affected;
/** As if so much time had passed since the last round of upkeep, and so much for the job. */
const supervise = async (queue: string) => {
  await pool.query(`UPDATE ${schema}.queue SET monitor_on = NULL, maintain_on = NULL`);
  await boss.supervise(queue);
};

test('the version that is installed is the one that is pinned', () => {
  const require = createRequire(import.meta.url);
  const installed = require('pg-boss/package.json') as { version: string };
  const ours = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(installed.version).toBe('12.35.0');
  expect(ours.peerDependencies['pg-boss']).toBe('12.35.0');
});

describe('a worker that was taken for dead and comes back', () => {
  test('fact: by id it completes the delivery of another worker', async () => {
    const queue = newQueue();
    await boss.createQueue(queue, { retryDelay: 0 });
    const id = await boss.send(queue, {}, { retryLimit: 5, expireInSeconds: 1 });
    const [a] = await boss.fetch(queue);
    await lapse(id ?? '');
    await supervise(queue);
    const [b] = await boss.fetch(queue);
    expect([a?.retryCount, b?.retryCount]).toEqual([0, 1]);
    expect(affected(await boss.complete(queue, id ?? ''))).toBe(1);
    expect(affected(await boss.complete(queue, id ?? ''))).toBe(0);
    expect(await stateOf(id ?? '')).toBe('completed');
  });

  test('fact: given the job that it fetched, what it says is refused', async () => {
    const queue = newQueue();
    await boss.createQueue(queue, { retryDelay: 0 });
    const id = (await boss.send(queue, {}, { retryLimit: 5, expireInSeconds: 1 })) ?? '';
    const [a] = await boss.fetch(queue);
    await lapse(id);
    await supervise(queue);
    const [b] = await boss.fetch(queue);
    if (a === undefined || b === undefined) throw new Error('both were given the job');
    expect(affected(await boss.touch(queue, a))).toBe(0);
    expect(affected(await boss.fail(queue, a))).toBe(0);
    expect(affected(await boss.deleteJob(queue, a))).toBe(0);
    expect(await stateOf(id)).toBe('active');
    expect(affected(await boss.deleteJob(queue, b))).toBe(1);
  });

  test('it can’t end another worker’s delivery of ours', async () => {
    const queue = newQueue();
    const jobs = open(queue);
    const other = open(queue);
    const sent = job();
    const id = randomUUID();
    await jobs.send(undefined, sent, { id, delayMs: 0 });
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    const reached = { first: Promise.withResolvers<void>(), second: Promise.withResolvers<void>() };
    const a = await jobs.consume(
      async () => {
        reached.first.resolve();
        await first.promise;
      },
      { concurrency: 1 },
    );
    await reached.first.promise;
    await lapse(id);
    await supervise(queue);
    const b = await other.consume(
      async () => {
        reached.second.resolve();
        await second.promise;
      },
      { concurrency: 1 },
    );
    await reached.second.promise;
    first.resolve();
    await a.stop(10_000);
    expect(await stateOf(id)).toBe('active');
    expect(await jobs.waiting([sent.operationId])).toEqual(new Set([sent.operationId]));
    second.resolve();
    await b.stop(10_000);
    expect(await stateOf(id)).toBeUndefined();
  });
});

describe('dead letters', () => {
  test('fact: redrive moves one of two jobs with one singletonKey, as a new job, and the other one ends', async () => {
    const [queue, dead] = [newQueue(), newQueue()];
    await boss.createQueue(dead);
    await boss.createQueue(queue, { policy: 'short', deadLetter: dead, retryLimit: 0 });
    const ids: string[] = [];
    for (const n of [1, 2]) {
      const id = (await boss.send(queue, { n }, { singletonKey: 'op_1' })) ?? '';
      ids.push(id);
      const [fetched] = await boss.fetch(queue);
      if (fetched) await boss.fail(queue, fetched);
    }
    expect(await boss.redrive(dead)).toBe(1);
    const { rows } = await pool.query(
      `SELECT name, state, id = ANY ($3::uuid[]) AS same FROM ${schema}.job
       WHERE name = $1 AND state = 'created' OR name = $2 ORDER BY state`,
      [queue, dead, ids],
    );
    expect(rows).toEqual([
      { name: queue, state: 'created', same: false },
      { name: dead, state: 'failed', same: false },
    ]);
    // It isn't a candidate any more, and is deleted in the end.
    expect(await boss.redrive(dead)).toBe(0);
    await pool.query(
      `UPDATE ${schema}.job SET completed_on = completed_on - interval '8 days' WHERE name = $1`,
      [dead],
    );
    await supervise(dead);
    expect((await pool.query(`SELECT 1 FROM ${schema}.job WHERE name = $1`, [dead])).rows).toEqual([]);
  });

  test('none of ours becomes one: after a million failures it comes again', async () => {
    expect(QUEUE_RULES).not.toHaveProperty('deadLetter');
    const queue = newQueue();
    const jobs = open(queue);
    const id = randomUUID();
    await jobs.send(undefined, job(), { id, delayMs: 0 });
    await pool.query(`UPDATE ${schema}.job SET retry_count = 1000000 WHERE id = $1`, [id]);
    const { promise: failed, resolve } = Promise.withResolvers<void>();
    const consumer = await jobs.consume(
      async () => {
        resolve();
        throw new Error('again');
      },
      { concurrency: 1 },
    );
    await failed;
    await consumer.stop(10_000);
    const { rows } = await pool.query(
      `SELECT state, dead_letter, start_after <= now() + interval '60 seconds' AS soon FROM ${schema}.job WHERE id = $1`,
      [id],
    );
    expect(rows).toEqual([{ state: 'retry', dead_letter: null, soon: true }]);
  });
});

describe('time', () => {
  const age = (id: string) =>
    pool.query(
      `UPDATE ${schema}.job SET created_on = created_on - interval '15 days',
        start_after = start_after - interval '15 days', keep_until = keep_until - interval '15 days' WHERE id = $1`,
      [id],
    );

  test('fact: by default a job that has waited for 15 days is deleted', async () => {
    const queue = newQueue();
    await boss.createQueue(queue);
    const id = (await boss.send(queue, {})) ?? '';
    await age(id);
    await supervise(queue);
    expect(await stateOf(id)).toBeUndefined();
  });

  test('one of ours is delivered', async () => {
    const queue = newQueue();
    const jobs = open(queue);
    const id = randomUUID();
    await jobs.send(undefined, job(), { id, delayMs: 0 });
    await age(id);
    await supervise(queue);
    expect(await stateOf(id)).toBe('created');
    const delivered: unknown[] = [];
    await jobs.consume(async (each) => void delivered.push(each), { concurrency: 1 });
    await vi.waitFor(() => expect(delivered).toHaveLength(1), { timeout: 5_000 });
  });
});

describe('notifications', () => {
  const heard = async (send: (client: pg.Client) => Promise<void>) => {
    const client = new pg.Client(databaseUrl);
    await client.connect();
    const text = `SELECT 'pgboss_' || left(encode(sha224('${schema}'::bytea), 'hex'), 24) AS channel`;
    const channel = (await client.query<{ channel: string }>(text)).rows[0]?.channel ?? '';
    await client.query(`LISTEN ${channel}`);
    const payloads: (string | undefined)[] = [];
    const { promise: last, resolve } = Promise.withResolvers<void>();
    client.on('notification', ({ payload }) => {
      payloads.push(payload);
      if (payload === 'last') resolve();
    });
    await client.query('BEGIN');
    await send(client);
    await client.query('COMMIT');
    await client.query(`SELECT pg_notify($1, 'last')`, [channel]);
    await last;
    await client.end();
    return payloads;
  };

  test('fact: a queue with notify sends one in the transaction of its caller', async () => {
    const queue = newQueue();
    await boss.createQueue(queue, { notify: true });
    const payloads = await heard(async (client) => {
      const db = { executeSql: (text: string, values?: unknown[]) => client.query(text, values) };
      await boss.send(queue, {}, { db });
    });
    expect(payloads).toEqual([queue, 'last']);
  });

  test('ours sends none', async () => {
    const jobs = open(newQueue());
    const payloads = await heard((client) => jobs.send(client, job(), { id: randomUUID(), delayMs: 0 }));
    expect(payloads).toEqual(['last']);
  });
});

describe('a burst into a queue whose statistics were gathered while it was empty', () => {
  const queue = newQueue();
  beforeAll(async () => {
    await pool.query(`ALTER TABLE ${schema}.job_common SET (autovacuum_enabled = false)`);
    await boss.createQueue(queue);
    await pool.query(`VACUUM ANALYZE ${schema}.job_common`);
    for (let i = 0; i < 3_000; i += 500) {
      await boss.insert(
        queue,
        Array.from({ length: 500 }, () => ({ data: {} })),
      );
    }
  });
  /** The rows that Postgres looked at and threw away. */
  const wasted = async (options: object) => {
    let plan = '';
    const executeSql = async (text: string, values?: unknown[]) => {
      const { rows } = await pool.query(`EXPLAIN (ANALYZE) ${text}`, values);
      plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      return { rows: [] };
    };
    await boss.fetch(queue, { batchSize: 4, ...options, db: { executeSql } });
    return [...plan.matchAll(/Rows Removed by \w+(?: \w+)?: (\d+)/g)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    );
  };

  test('fact: one fetch joins every job of it', async () => {
    expect(await wasted({})).toBeGreaterThan(10_000);
  });

  test('ours reads what it takes', async () => {
    expect(await wasted(FETCH_RULES)).toBeLessThan(10);
  });
});
