import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import type { Job } from '@semel/contract/v1/pure';
import { createTcpProxy, startChild } from '@semel/testing/faults';
import pg from 'pg';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { databaseUrl } from '../testing/fixture.ts';
import { createPgBossJobs, type PgBossJobs, type PgBossJobsOptions } from './pg-boss-jobs.ts';

const pool = new pg.Pool({ connectionString: databaseUrl, max: 3 });
const schemas: string[] = [];
const opened: PgBossJobs[] = [];

const newSchema = () => {
  const schema = `t_boss_${randomBytes(4).toString('hex')}`;
  schemas.push(schema);
  return schema;
};
const shared = newSchema();
const open = (more: Partial<PgBossJobsOptions> = {}) => {
  const queue = `q_${randomBytes(6).toString('hex')}`;
  const jobs = createPgBossJobs({ connection: databaseUrl, schema: shared, queue, ...more });
  opened.push(jobs);
  return jobs;
};
const job = (): Job => ({ v: 1, operationId: `op_${randomUUID()}`, scope: 's', procedure: 'p' });
const now = () => ({ id: randomUUID(), delayMs: 0 });

afterEach(() => Promise.all(opened.splice(0).map((jobs) => jobs.close())));
afterAll(async () => {
  for (const schema of schemas) await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await pool.end();
});

test('several servers that start at the same time on an empty database all work', async () => {
  const schema = newSchema();
  const servers = Array.from({ length: 5 }, () => open({ schema, queue: 'semel' }));
  const sent = servers.map(job);
  await Promise.all(servers.map((server, i) => server.send(undefined, sent[i] as Job, now())));
  const delivered: unknown[] = [];
  await servers[0]?.consume(async (each) => void delivered.push(each), { concurrency: 2 });
  await vi.waitFor(() => expect(delivered).toHaveLength(5), { timeout: 10_000 });
  expect(delivered).toEqual(expect.arrayContaining(sent));
});

test('the first use may be a send inside a transaction', async () => {
  const jobs = open({ schema: newSchema() });
  const client = await pool.connect();
  const sent = job();
  await client.query('BEGIN');
  await jobs.send(client, sent, now());
  await client.query('COMMIT');
  client.release();
  expect(await jobs.waiting([sent.operationId])).toEqual(new Set([sent.operationId]));
});

test('a transaction that can’t see the queue is told so, and doesn’t lose its job in silence', async () => {
  const jobs = open({ schema: newSchema() });
  const client = await pool.connect();
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await client.query('SELECT 1');
  await expect(jobs.send(client, job(), now())).rejects.toThrow("can't be seen from this transaction");
  await client.query('ROLLBACK');
  client.release();
});

test('an id that isn’t a UUID is refused before the transaction can break over it', async () => {
  const jobs = open();
  const client = await pool.connect();
  await client.query('BEGIN');
  await expect(jobs.send(client, job(), { id: 'op_1', delayMs: 0 })).rejects.toThrow(
    "A job's id must be a UUID",
  );
  expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await client.query('ROLLBACK');
  client.release();
});

test('a job says itself what may become of it, whatever its queue says', async () => {
  const queue = `q_${randomBytes(6).toString('hex')}`;
  await open({ queue }).start();
  await pool.query(
    `UPDATE ${shared}.queue SET retry_limit = 0, retry_delay = 0, retention_seconds = 1 WHERE name = $1`,
    [queue],
  );
  const id = randomUUID();
  await open({ queue }).send(undefined, job(), { id, delayMs: 0 });
  const { rows } = await pool.query(
    `SELECT retry_limit, retry_delay, retry_backoff, retry_delay_max, heartbeat_seconds, expire_seconds, deletion_seconds,
            dead_letter, extract(epoch FROM keep_until - start_after)::int AS kept_for
     FROM ${shared}.job WHERE id = $1`,
    [id],
  );
  expect(rows).toEqual([
    {
      retry_limit: 2_147_483_647,
      retry_delay: 1,
      retry_backoff: true,
      retry_delay_max: 60,
      heartbeat_seconds: 10,
      expire_seconds: 86_400,
      deletion_seconds: 60,
      dead_letter: null,
      kept_for: 315_360_000,
    },
  ]);
});

test('the queue carries the contract’s job and nothing else, also when a delivery failed', async () => {
  const jobs = open();
  const id = randomUUID();
  const sent = job();
  await jobs.send(undefined, sent, { id, delayMs: 0 });
  const { promise: failed, resolve } = Promise.withResolvers<void>();
  const consumer = await jobs.consume(
    async () => {
      resolve();
      throw new Error('card 4242 was declined');
    },
    { concurrency: 1 },
  );
  await failed;
  await consumer.stop(5_000);
  const { rows } = await pool.query(`SELECT data, output, state FROM ${shared}.job WHERE id = $1`, [id]);
  expect(rows).toEqual([{ data: sent, output: null, state: 'retry' }]);
});

test('what was dealt with leaves nothing behind', async () => {
  const jobs = open();
  const id = randomUUID();
  await jobs.send(undefined, job(), { id, delayMs: 0 });
  const { promise: delivered, resolve } = Promise.withResolvers<void>();
  const consumer = await jobs.consume(async () => resolve(), { concurrency: 1 });
  await delivered;
  await consumer.stop(5_000);
  expect((await pool.query(`SELECT state FROM ${shared}.job WHERE id = $1`, [id])).rows).toEqual([]);
});

test('a queue that somebody else made with a dead letter queue is refused', async () => {
  const queue = `q_${randomBytes(6).toString('hex')}`;
  await open({ queue: `${queue}_dead` }).start();
  await open({ queue }).start();
  await pool.query(`UPDATE ${shared}.queue SET dead_letter = $2 WHERE name = $1`, [queue, `${queue}_dead`]);
  await expect(open({ queue }).start()).rejects.toThrow('has a dead letter queue');
});

test('a database that is away is an error of the call, and the next call tries again', async () => {
  const { hostname, port } = new URL(databaseUrl);
  const proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } });
  const jobs = open({ connection: proxy.url(databaseUrl) });
  await proxy.refuse();
  await expect(jobs.start()).rejects.toThrow('ECONNREFUSED');
  await expect(jobs.waiting(['op_1'])).rejects.toThrow('ECONNREFUSED');
  await proxy.accept();
  expect(await jobs.waiting(['op_1'])).toEqual(new Set());
  await jobs.close();
  await proxy.close();
});

test('a consumer goes on by itself when the database comes back, and says what happened meanwhile', async () => {
  const { hostname, port } = new URL(databaseUrl);
  const proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } });
  const errors: unknown[] = [];
  const queue = `q_${randomBytes(6).toString('hex')}`;
  const onError = (error: unknown) => void errors.push(error);
  const jobs = open({ connection: proxy.url(databaseUrl), queue, onError, pollEveryMs: 50 });
  const delivered: unknown[] = [];
  await jobs.consume(async (each) => void delivered.push(each), { concurrency: 2 });
  await proxy.refuse();
  proxy.cut();
  await vi.waitFor(() => expect(errors.length).toBeGreaterThan(2), { timeout: 10_000 });
  await open({ queue }).send(undefined, job(), now());
  expect(delivered).toHaveLength(0);
  await proxy.accept();
  await vi.waitFor(() => expect(delivered).toHaveLength(1), { timeout: 10_000 });
  await jobs.close();
  await proxy.close();
});

test('a listener for errors that fails itself changes nothing', async () => {
  const jobs = open({
    onError: () => {
      throw new Error('the log is full');
    },
  });
  let deliveries = 0;
  await jobs.send(undefined, job(), now());
  await jobs.consume(
    async () => {
      deliveries++;
      if (deliveries === 1) throw new Error('once');
    },
    { concurrency: 1 },
  );
  await vi.waitFor(() => expect(deliveries).toBe(2), { timeout: 10_000 });
});

test('close ends every connection, and what is asked afterwards is refused', async () => {
  const application_name = `jobs_close_${randomBytes(4).toString('hex')}`;
  const jobs = open({ connection: { connectionString: databaseUrl, application_name } });
  const count = async () => {
    const text = 'SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = $1';
    return (await pool.query(text, [application_name])).rows[0]?.count;
  };
  await jobs.consume(async () => {}, { concurrency: 3 });
  await Promise.all(Array.from({ length: 20 }, () => jobs.send(undefined, job(), now())));
  expect(await count()).toBe(4);
  await jobs.close();
  await jobs.close();
  await vi.waitFor(async () => expect(await count()).toBe(0), { timeout: 5_000 });
  await expect(jobs.send(undefined, job(), now())).rejects.toThrow('The jobs are closed');
});

test('a process that has closed its jobs ends by itself', async () => {
  const schema = newSchema();
  const child = await startChild({
    file: new URL('./short-worker.fixture.ts', import.meta.url),
    args: [databaseUrl, schema],
  });
  expect(await child.exited).toEqual({ code: 0, signal: null });
});

test('whoever imports the store alone needs no pg-boss', async () => {
  const without = `import { registerHooks } from 'node:module';
    registerHooks({ resolve(specifier, context, next) {
      if (specifier.startsWith('pg-boss')) throw new Error('pg-boss is loaded');
      return next(specifier, context);
    } });
    const url = process.argv[1];
    await import(url).then(() => console.log('loaded'), (error) => console.log(error.message));`;
  const load = async (file: string) => {
    const url = new URL(file, import.meta.url).href;
    const args = ['--conditions=@semel/source', '--input-type=module', '-e', without, url];
    return (await promisify(execFile)(process.execPath, args)).stdout.trim();
  };
  expect(await load('../index.ts')).toBe('loaded');
  expect(await load('../jobs.ts')).toBe('pg-boss is loaded');
});
