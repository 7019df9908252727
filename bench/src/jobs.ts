import { randomUUID } from 'node:crypto';
import type { Job } from '@semel/contract/v1/pure';
import { ensurePostgres } from '@semel/dev-services';
import { createPgBossJobs, type PgBossJobs } from '@semel/store-postgres/jobs';
import pg from 'pg';
import { measure } from './measure.ts';

/**
 * `node --conditions=@semel/source bench/src/jobs.ts [--quick]`: what a job costs beside the transaction that it joins, how
 * soon it starts when nothing else happens, and how fast a burst is worked off. Compare the ratios of a run, nothing else.
 */
const quick = process.argv.includes('--quick');
const CALLERS = 16;
const BURST = quick ? 2_000 : 10_000;

const postgres = await ensurePostgres();
const pool = new pg.Pool({ connectionString: postgres.url, max: CALLERS });
pool.on('error', () => {});
const opened: PgBossJobs[] = [];
const open = (queue: string, preparedStatements = true) => {
  const jobs = createPgBossJobs({
    connection: postgres.url,
    queue,
    preparedStatements,
    onError: console.error,
  });
  opened.push(jobs);
  return jobs;
};
const job = (): Job => ({
  v: 1,
  operationId: `op_${randomUUID()}`,
  scope: 's',
  procedure: 'payments.create',
});
const now = () => ({ id: randomUUID(), delayMs: 0 });

async function transaction(body: (client: pg.PoolClient) => Promise<unknown>, end = 'COMMIT') {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await body(client);
    await client.query(end);
  } finally {
    client.release();
  }
}
const insert = (client: pg.PoolClient, table: string) =>
  client.query(`INSERT INTO ${table} (id, note) VALUES ($1, $2)`, [randomUUID(), 'payments.create']);

try {
  await pool.query('CREATE TABLE IF NOT EXISTS bench_order (id uuid PRIMARY KEY, note text)');
  await pool.query('CREATE TABLE IF NOT EXISTS bench_second (id uuid PRIMARY KEY, note text)');
  await enqueueing();
  await latency();
  await burst();
  await asking();
} finally {
  await Promise.all(opened.map((jobs) => jobs.close()));
  await pool.query('DROP TABLE IF EXISTS bench_order, bench_second');
  await pool.query('DROP SCHEMA IF EXISTS semel_jobs CASCADE');
  await pool.end();
  await postgres.stop();
}

/** The second insert is the caller's own, a job, and a job with the NOTIFY that we don't send. */
async function enqueueing() {
  const jobs = open('enqueueing');
  const unprepared = open('enqueueing', false);
  await Promise.all([jobs.start(), unprepared.start()]);
  const withJob = async (client: pg.PoolClient, by = jobs) => {
    await insert(client, 'bench_order');
    await by.send(client, job(), now());
  };
  const samples = await measure(
    [
      {
        name: 'two inserts',
        call: () =>
          transaction(async (client) => {
            await insert(client, 'bench_order');
            await insert(client, 'bench_second');
          }),
      },
      { name: 'insert and job', call: () => transaction((client) => withJob(client)) },
      {
        name: 'insert and job, unprepared',
        call: () => transaction((client) => withJob(client, unprepared)),
      },
      {
        name: 'insert, job and NOTIFY',
        call: () => transaction((client) => withJob(client), "SELECT pg_notify('bench', ''); COMMIT"),
      },
    ],
    { callers: CALLERS, rounds: quick ? 3 : 11, roundMs: quick ? 500 : 1_500 },
  );
  for (const { name, rps, ratio, p50Ms, p99Ms } of samples) {
    console.log(
      `enqueue  ${name.padEnd(26)} ${rps.toFixed(0).padStart(6)}/s  x${ratio.toFixed(2)}  p50 ${p50Ms.toFixed(1)} p99 ${p99Ms.toFixed(1)} ms`,
    );
  }
}

/** One job at a time, from the sender's COMMIT being sent to its delivery. */
async function latency() {
  for (const [where, count] of [
    ['same process', quick ? 100 : 500],
    ['another process (poll)', quick ? 10 : 100],
  ] as const) {
    const queue = `latency ${count}`.replace(' ', '_');
    const sender = open(queue);
    const receiver = where === 'same process' ? sender : open(queue);
    let arrived: (() => void) | undefined;
    const consumer = await receiver.consume(async () => arrived?.(), { concurrency: 4 });
    await sender.start();
    const took: number[] = [];
    for (let i = 0; i < count; i++) {
      // At random, so that the poll's own rhythm doesn't set ours.
      const upTo = receiver === sender ? 30 : 600;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * upTo));
      const delivered = new Promise<void>((resolve) => {
        arrived = resolve;
      });
      let from = 0;
      await transaction(async (client) => {
        await sender.send(client, job(), now());
        from = performance.now();
      });
      await delivered;
      took.push(performance.now() - from);
    }
    await consumer.stop(5_000);
    took.sort((a, b) => a - b);
    const at = (share: number) => (took[Math.floor((took.length - 1) * share)] ?? 0).toFixed(1);
    console.log(`latency  ${where.padEnd(24)} p50 ${at(0.5)} p99 ${at(0.99)} max ${at(1)} ms (${count})`);
  }
}

async function burst() {
  for (const concurrency of [4, 20]) {
    const jobs = open(`burst_${concurrency}`);
    await jobs.start();
    const sendAll = performance.now();
    let sent = 0;
    await Promise.all(
      Array.from({ length: CALLERS }, async () => {
        while (sent < BURST) {
          sent++;
          await transaction((client) => jobs.send(client, job(), now()));
        }
      }),
    );
    const from = performance.now();
    const seen = new Set<unknown>();
    const { promise: all, resolve } = Promise.withResolvers<void>();
    const consumer = await jobs.consume(
      async (each) => {
        await pool.query('INSERT INTO bench_order (id, note) VALUES ($1, $2)', [randomUUID(), 'effect']);
        seen.add((each as Job).operationId);
        if (seen.size === sent) resolve();
      },
      { concurrency },
    );
    await all;
    const drained = performance.now();
    await consumer.stop(10_000);
    const rate = (ms: number) => `${(ms / 1000).toFixed(1)} s, ${((1000 * sent) / ms).toFixed(0)}/s`;
    console.log(
      `burst    ${sent} sent in ${rate(from - sendAll)}; drained by ${concurrency} in ${rate(drained - from)}`,
    );
  }
}

/** What healing asks, with that many jobs waiting. */
async function asking() {
  const jobs = open('asking');
  const names: string[] = [];
  for (const backlog of quick ? [2_000] : [10_000]) {
    while (names.length < backlog) {
      await transaction(async (client) => {
        for (let i = 0; i < 500; i++) {
          const one = job();
          names.push(one.operationId);
          await jobs.send(client, one, now());
        }
      });
    }
    const asked = [...names.slice(0, 50), ...Array.from({ length: 50 }, () => job().operationId)];
    const took: number[] = [];
    for (let i = 0; i < 20; i++) {
      const from = performance.now();
      if ((await jobs.waiting(asked)).size !== 50) throw new Error('50 of these wait');
      took.push(performance.now() - from);
    }
    took.sort((a, b) => a - b);
    console.log(`waiting  100 of ${backlog}: p50 ${took[10]?.toFixed(1)} max ${took[19]?.toFixed(1)} ms`);
  }
}
