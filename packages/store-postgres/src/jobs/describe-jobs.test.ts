import { randomBytes } from 'node:crypto';
import { describeJobs, type JobsHarness } from '@semel/testing';
import { startChild } from '@semel/testing/faults';
import pg from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { databaseUrl } from '../testing/fixture.ts';
import { createPgBossJobs } from './pg-boss-jobs.ts';

const schema = `t_jobs_${randomBytes(4).toString('hex')}`;
const pool = new pg.Pool({ connectionString: databaseUrl, max: 6 });
beforeAll(async () => {
  const jobs = createPgBossJobs({ connection: databaseUrl, schema });
  await jobs.start();
  await jobs.close();
});
afterAll(async () => {
  await pool.query(`DROP SCHEMA ${schema} CASCADE`);
  await pool.end();
});

const harness: JobsHarness<pg.ClientBase> = {
  async open() {
    const queue = `q_${randomBytes(6).toString('hex')}`;
    const application_name = `jobs_${queue}`;
    const connection = { connectionString: databaseUrl, application_name };
    const make = () => createPgBossJobs({ connection, schema, queue });
    const jobs = make();
    return {
      jobs,
      second: async () => make(),
      async transaction(body) {
        const client = await pool.connect();
        try {
          await client.query('BEGIN');
          const result = await body(client);
          await client.query('COMMIT');
          return result;
        } catch (error) {
          await client.query('ROLLBACK');
          throw error;
        } finally {
          client.release();
        }
      },
      async worker() {
        const child = await startChild<{ operationId: string }>({
          file: new URL('./stuck-worker.fixture.ts', import.meta.url),
          args: [databaseUrl, schema, queue],
        });
        return {
          delivering: child.message().then(({ operationId }) => operationId),
          kill: async () => void (await child.kill()),
        };
      },
      async cutConnections() {
        await pool.query(
          'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1',
          [application_name],
        );
      },
      close: () => jobs.close(),
    };
  },
};

describeJobs('pg-boss', harness);
