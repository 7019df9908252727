import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job } from '@semel/contract/v1/pure';
import { ensurePostgres } from '@semel/dev-services';
import { createPgBossJobs } from '@semel/store-postgres/jobs';
import { createTcpProxy } from '@semel/testing/faults';
import { expect, onTestFinished, test, vi } from 'vitest';

// A Postgres of this file's own, killed (-9) and started again, behind a proxy because it comes back on another port.
const isForeign = process.env.DATABASE_URL !== undefined;

test.skipIf(isForeign)(
  'a Postgres that is killed and comes back loses no job, and its consumers go on by themselves',
  { timeout: 180_000 },
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'pg-jobs-killed-'));
    const target = { host: '127.0.0.1', port: 0 };
    const start = async () => {
      for (let tries = 1; ; tries++) {
        try {
          const postgres = await ensurePostgres({ persistTo: dir });
          target.port = Number(new URL(postgres.url).port);
          return postgres;
        } catch (error) {
          if (tries === 50) throw error; // the last backend of the one that was killed is still there
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    };
    let postgres = await start();
    const proxy = await createTcpProxy({ target });
    const connection = proxy.url(postgres.url);
    const errors: unknown[] = [];
    const onError = (error: unknown) => void errors.push(error);
    const servers = [1, 2].map(() => createPgBossJobs({ connection, onError, pollEveryMs: 100 }));
    const [one, two] = servers;
    let sending = true;
    onTestFinished(async () => {
      sending = false;
      await Promise.all(servers.map((server) => server.close()));
      await proxy.refuse();
      proxy.cut();
      await postgres.stop();
      await rm(dir, { recursive: true, force: true });
    });
    if (one === undefined || two === undefined) throw new Error('there are two');

    const delivered = new Set<string>();
    for (const server of servers) {
      await server.consume(
        async (job) => {
          await new Promise((resolve) => setTimeout(resolve, 5));
          delivered.add((job as Job).operationId);
        },
        { concurrency: 3 },
      );
    }
    const acknowledged: string[] = [];
    const sender = (async () => {
      while (sending) {
        const operationId = `op_${randomUUID()}`;
        const job: Job = { v: 1, operationId, scope: 's', procedure: 'p' };
        await one
          .send(undefined, job, { id: randomUUID(), delayMs: 0 })
          .then(() => acknowledged.push(operationId))
          .catch(() => new Promise((resolve) => setTimeout(resolve, 20)));
      }
    })();

    for (let kills = 0; kills < 2; kills++) {
      const before = acknowledged.length;
      await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(before + 100), { timeout: 20_000 });
      const [pid] = readFileSync(join(dir, 'postmaster.pid'), 'utf8').split('\n');
      process.kill(Number(pid), 'SIGKILL');
      postgres = await start();
    }
    const before = acknowledged.length;
    await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(before + 50), { timeout: 20_000 });
    sending = false;
    await sender;

    const missing = () => acknowledged.filter((operationId) => !delivered.has(operationId));
    await vi.waitFor(() => expect(missing()).toEqual([]), { timeout: 40_000, interval: 100 });
    expect(errors.length).toBeGreaterThan(0);
    await vi.waitFor(async () => expect(await two.waiting(acknowledged)).toEqual(new Set()), {
      timeout: 40_000,
      interval: 100,
    });
  },
);
