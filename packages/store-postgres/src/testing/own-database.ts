import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { vi } from 'vitest';
import { migratePostgres } from '../migrations/migrate.ts';
import { databaseUrl } from './fixture.ts';

/** Statistics are kept per database: what is counted in one that nobody else uses is the test's. */
export interface OwnDatabase {
  readonly connection: pg.PoolConfig;
  /** On a connection that is closed again, so that `statistics` needn't wait for it. */
  sql<R extends object>(text: string): Promise<R[]>;
  /** Complete once every connection to it has been closed, which is waited for. */
  statistics(): Promise<{
    readonly transactions: number;
    readonly written: number;
    readonly deadlocks: number;
  }>;
  drop(): Promise<void>;
}

/** @param pool of the server's usual database */
export async function ownDatabase(pool: pg.Pool): Promise<OwnDatabase> {
  const name = `semel_own_${randomBytes(4).toString('hex')}`;
  await pool.query(`CREATE DATABASE ${name}`);
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  const connection = { connectionString: url.href, connectionTimeoutMillis: 20_000 };
  const sql: OwnDatabase['sql'] = async <R extends object>(text: string) => {
    const client = new pg.Client(connection);
    await client.connect();
    try {
      return (await client.query<R & pg.QueryResultRow>(text)).rows;
    } finally {
      await client.end();
    }
  };
  await migratePostgres({ connection });
  // An autovacuum worker that looks in meanwhile writes statistics of its own: those would be counted too.
  await sql(`DO $$ DECLARE t regclass; BEGIN
    FOR t IN SELECT oid::regclass FROM pg_class WHERE relnamespace = 'semel'::regnamespace AND relkind = 'r' LOOP
      EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false)', t);
    END LOOP; END $$`);
  return {
    connection,
    sql,
    async statistics() {
      // A backend has reported everything once it is gone.
      await vi.waitFor(async () => {
        const { rows } = await pool.query(
          `SELECT pid FROM pg_stat_activity WHERE datname = '${name}' AND backend_type = 'client backend'`,
        );
        if (rows.length > 0) throw new Error('still connected');
      }, 20_000);
      const { rows } = await pool.query<{ transactions: number; deadlocks: number }>(
        `SELECT (xact_commit + xact_rollback)::int AS transactions, deadlocks::int
         FROM pg_stat_database WHERE datname = '${name}'`,
      );
      // Of tables that are ours: Postgres writes its catalogue whenever it likes.
      const [rowsOf] = await sql<{ written: number }>(
        'SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::int AS written FROM pg_stat_user_tables',
      );
      if (rows[0] === undefined || rowsOf === undefined) throw new Error('no statistics');
      return { ...rows[0], ...rowsOf };
    },
    drop: async () => void (await pool.query(`DROP DATABASE ${name} WITH (FORCE)`)),
  };
}
