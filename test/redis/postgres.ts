import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePostgres } from '@semel/dev-services';
import { migratePostgres } from '@semel/store-postgres';
import { createTcpProxy } from '@semel/testing/faults';
import pg from 'pg';

/** A Postgres of one's own: it can be killed, and it counts statements. */
export interface OwnPostgres {
  /** For the servers; survives a restart. */
  readonly url: string;
  readonly schema: string;
  /** `{s}` stands for the schema. */
  sql<R extends object>(text: string, values?: unknown[]): Promise<R[]>;
  /** Statements that anybody but `sql` has executed since the last time, by pg_stat_statements. */
  statements(): Promise<number>;
  /** SIGKILL, and started again with what lies on its disk. */
  killAndRestart(): Promise<void>;
  close(): Promise<void>;
}

const SETTINGS = {
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.max': '10000',
  max_connections: '200',
  // What is killed here is Postgres, never the machine: what it has written stays.
  fsync: 'off',
};

/** @throws where DATABASE_URL names somebody else's: that one isn't ours to kill */
export async function startPostgres(): Promise<OwnPostgres> {
  const dir = await mkdtemp(join(tmpdir(), 'pg-redis-'));
  const start = () => ensurePostgres({ persistTo: dir, settings: SETTINGS });
  let postgres = await start();
  if (postgres.how === 'DATABASE_URL')
    throw new Error('This needs a Postgres of its own: unset DATABASE_URL');
  const target = { host: '127.0.0.1', port: Number(new URL(postgres.url).port) };
  const proxy = await createTcpProxy({ target });
  const schema = `t_${randomBytes(6).toString('hex')}`;
  await migratePostgres({ connection: postgres.url, schema });

  async function sql<R extends object>(text: string, values: unknown[] = []): Promise<R[]> {
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    try {
      return (await client.query(text.replaceAll('{s}', schema), values)).rows as R[];
    } finally {
      await client.end();
    }
  }
  // No unique constraint: a second effect must show.
  await sql('CREATE TABLE {s}.effect (id bigint GENERATED ALWAYS AS IDENTITY, key text NOT NULL)');
  await sql('CREATE EXTENSION pg_stat_statements');

  return {
    url: proxy.url(postgres.url),
    schema,
    sql,
    async statements() {
      const [counted] = await sql<{ calls: number }>(
        'SELECT coalesce(sum(calls), 0)::int AS calls FROM pg_stat_statements',
      );
      await sql('SELECT pg_stat_statements_reset()');
      // The reset above is counted by the next: taken off here.
      return (counted?.calls ?? 0) - 1;
    },
    async killAndRestart() {
      const [pid] = readFileSync(join(dir, 'postmaster.pid'), 'utf8').split('\n');
      process.kill(Number(pid), 'SIGKILL');
      // Its backends notice by themselves; until the last has gone, a new one refuses to start.
      for (let tries = 1; ; tries++) {
        try {
          postgres = await start();
          break;
        } catch (error) {
          if (tries === 50) throw error;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
      target.port = Number(new URL(postgres.url).port);
    },
    async close() {
      await proxy.refuse();
      proxy.cut();
      await postgres.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
