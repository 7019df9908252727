import { randomBytes } from 'node:crypto';
import type { Store } from '@semel/server/store';
import { createPostgresStore, migratePostgres } from '@semel/store-postgres';
import pg from 'pg';
import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
  }
}

const databaseUrl: string = inject('databaseUrl');

/** A Postgres schema of a test's own, and a table that stands for the handlers' effects. */
export interface Database {
  /** Closed with the database. */
  store(): Store<pg.ClientBase>;
  effect(tx: pg.ClientBase, note: string): Promise<void>;
  /** How often each effect was committed. */
  effects(): Promise<ReadonlyMap<string, number>>;
  travel(ms: number): Promise<void>;
  close(): Promise<void>;
}

export async function openDatabase(name: string): Promise<Database> {
  const schema = `t_${name}_${randomBytes(4).toString('hex')}`;
  await migratePostgres({ connection: databaseUrl, schema });
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  await pool.query(`CREATE TABLE ${schema}.effect (note text NOT NULL)`);
  const stores: Store<pg.ClientBase>[] = [];
  return {
    store() {
      const store = createPostgresStore({ connection: databaseUrl, schema });
      stores.push(store);
      return store;
    },
    async effect(tx, note) {
      await tx.query(`INSERT INTO ${schema}.effect (note) VALUES ($1)`, [note]);
    },
    async effects() {
      const { rows } = await pool.query<{ note: string; times: number }>(
        `SELECT note, count(*)::int AS times FROM ${schema}.effect GROUP BY note`,
      );
      return new Map(rows.map(({ note, times }) => [note, times]));
    },
    async travel(ms) {
      const by = `interval '${ms} milliseconds'`;
      const columns = {
        operation: [
          'created_at',
          'updated_at',
          'first_claimed_at',
          'claimed_at',
          'lease_until',
          'expires_at',
        ],
        transition: ['at'],
        step: ['at'],
        rejected_transition: ['first_at', 'last_at'],
        sweep: ['cursor_at'],
        work: ['due_at'],
        progress: ['at'],
        attention: ['since', 'offered_at'],
        decision: ['at'],
      };
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        await client.query('SET LOCAL session_replication_role = replica');
        for (const [table, names] of Object.entries(columns)) {
          const shift = names.map((column) => `${column} = ${column} - ${by}`).join(', ');
          await client.query(`UPDATE ${schema}.${table} SET ${shift}`);
        }
        await client.query('COMMIT');
      } finally {
        client.release();
      }
    },
    async close() {
      await Promise.all(stores.map((store) => store.close()));
      await pool.query(`DROP SCHEMA ${schema} CASCADE`);
      await pool.end();
    },
  };
}

export const randomName = (): string => randomBytes(12).toString('hex');
