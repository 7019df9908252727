import { randomBytes } from 'node:crypto';
import type { IdempotencyPolicy, KeyRing } from '@semel/server';
import { createPostgresStore, migratePostgres } from '@semel/store-postgres';
import { createPgBossJobs } from '@semel/store-postgres/jobs';
import { type Child, startChild } from '@semel/testing/faults';
import pg from 'pg';
import { afterEach, vi } from 'vitest';
import { createPayouts, type Hooks, serve } from './payouts.ts';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
  }
}

// Workers, polls and processes: on a machine that is busy each takes its time.
vi.setConfig({ testTimeout: 60_000 });

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
export const afterwards = (cleanup: () => unknown): void => void cleanups.push(cleanup);

/** A database with the tables of effects, and as many servers and workers as a test wants. */
export async function setStage(databaseUrl: string) {
  const schema = `q_${randomBytes(6).toString('hex')}`;
  await migratePostgres({ connection: databaseUrl, schema });
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 4 });
  // No unique constraints: a second effect must show.
  await pool.query(`
    CREATE TABLE ${schema}.sent (child_key text NOT NULL);
    CREATE TABLE ${schema}.payouts (key text, scope text, amount bigint)`);
  afterwards(async () => {
    await pool.query(`DROP SCHEMA ${schema} CASCADE; DROP SCHEMA IF EXISTS ${schema}_jobs CASCADE`);
    await pool.end();
  });
  const rows = async (sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> =>
    (await pool.query(sql.replaceAll('{s}', schema), values)).rows;

  return {
    schema,
    rows,
    async effects(): Promise<{ readonly sent: number; readonly payouts: number }> {
      const [counted] = await rows(
        'SELECT (SELECT count(*)::int FROM {s}.sent) AS sent, (SELECT count(*)::int FROM {s}.payouts) AS payouts',
      );
      return counted as { sent: number; payouts: number };
    },
    /** A server in this process; `work: false` accepts alone. */
    async server(
      options: {
        readonly hooks?: Hooks;
        readonly policy?: Partial<IdempotencyPolicy>;
        readonly keyRing?: KeyRing;
        readonly work?: boolean;
      } = {},
    ) {
      const { work = true, ...rest } = options;
      // A busy machine takes its time to connect.
      const connection = { connectionString: databaseUrl, connectionTimeoutMillis: 20_000 };
      const store = createPostgresStore({ connection, schema });
      const jobs = createPgBossJobs({ connection: databaseUrl, schema: `${schema}_jobs`, pollEveryMs: 500 });
      const outside = (sql: string, values: unknown[]) => pool.query(sql, values);
      const payouts = createPayouts({ store, jobs, schema, outside, ...rest });
      const served = await serve(payouts);
      let worker = work ? payouts.work() : undefined;
      afterwards(async () => {
        await worker?.close(5_000);
        await served.close();
        await payouts.semel.close();
        await jobs.close();
        await store.close();
      });
      return {
        ...served,
        ...payouts,
        store,
        startWorker() {
          worker ??= payouts.work();
        },
      };
    },
    /** A worker in a process of its own, which says where its handlers are and holds them there. */
    async childWorker(): Promise<Child<{ readonly at?: string; readonly id: string }>> {
      const child = await startChild<{ at?: string; id: string }>({
        file: new URL('./child-worker.ts', import.meta.url),
        env: { DATABASE_URL: databaseUrl, SCHEMA: schema },
      });
      afterwards(() => child.kill());
      return child;
    },
  };
}
