import { randomBytes } from 'node:crypto';
import { createMemoryJobs, createMemoryStore } from '@semel/server';
import {
  EXPIRY_GRACE_MS,
  type Jobs,
  type MemoryTransaction,
  type Store,
  StoreUnavailable,
} from '@semel/server/store';
import { createPostgresStore, migratePostgres } from '@semel/store-postgres';
import { createPgBossJobs } from '@semel/store-postgres/jobs';
import pg from 'pg';

/** A store seen by two servers, and a table of effects beside it. */
export interface World<Tx> {
  readonly stores: readonly [Store<Tx>, Store<Tx>];
  /** What carries queued work, one for each server. */
  readonly jobs?: readonly [Jobs<Tx>, Jobs<Tx>];
  write(tx: Tx, reference: string): Promise<void>;
  count(reference: string): Promise<number>;
  readonly expire?: () => Promise<void>;
  readonly breakStore: () => Promise<() => Promise<void>>;
  close(): Promise<void>;
}

const DAY = 86_400_000;

export async function createMemoryWorld(): Promise<World<MemoryTransaction>> {
  let ahead = 0;
  const store = createMemoryStore({ clock: () => Date.now() + ahead });
  const { seen, breakStore } = breakable(store);
  const jobs = createMemoryJobs({ againMs: 10 });
  let writes = 0;
  return {
    stores: [seen, seen],
    jobs: [jobs, jobs],
    breakStore,
    write: async (tx, reference) => {
      tx.set(`${reference}#${writes++}`, true);
    },
    count: async (reference) =>
      [...store.committed.keys()].filter((key) => key.startsWith(`${reference}#`)).length,
    expire: async () => {
      ahead += DAY + EXPIRY_GRACE_MS + 1;
    },
    async close() {
      await jobs.close();
      await store.close();
    },
  };
}

type PostgresTx = { query(text: string, values: unknown[]): Promise<unknown> };

export async function createPostgresWorld(databaseUrl: string): Promise<World<PostgresTx>> {
  const schema = `contract_${randomBytes(6).toString('hex')}`;
  await migratePostgres({ connection: databaseUrl, schema });
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  await pool.query(`CREATE TABLE ${schema}.effects (reference text NOT NULL)`);
  const open = () => createPostgresStore({ connection: databaseUrl, schema });
  const [first, second] = [open(), open()];
  const { seen, breakStore } = breakable(first);
  const jobs = createPgBossJobs({ connection: databaseUrl, schema: `${schema}_jobs` });
  return {
    stores: [seen, second] as unknown as World<PostgresTx>['stores'],
    jobs: [jobs, jobs] as unknown as NonNullable<World<PostgresTx>['jobs']>,
    breakStore,
    write: async (tx, reference) =>
      void (await tx.query(`INSERT INTO ${schema}.effects (reference) VALUES ($1)`, [reference])),
    async count(reference) {
      const sql = `SELECT count(*)::int AS count FROM ${schema}.effects WHERE reference = $1`;
      return (await pool.query<{ count: number }>(sql, [reference])).rows[0]?.count ?? 0;
    },
    async close() {
      await Promise.all([first.close(), second.close(), jobs.close()]);
      await pool.query(`DROP SCHEMA ${schema} CASCADE; DROP SCHEMA IF EXISTS ${schema}_jobs CASCADE`);
      await pool.end();
    },
  };
}

/** The store, and a switch that makes every call to it fail as when the database is away. */
function breakable<Tx>(store: Store<Tx>) {
  let away = false;
  const methods = Object.entries(store).map(([name, member]) => {
    if (typeof member !== 'function') return [name, member];
    const call = member as (...args: unknown[]) => unknown;
    return [
      name,
      (...args: unknown[]) => (away ? Promise.reject(new StoreUnavailable()) : call.apply(store, args)),
    ];
  });
  return {
    seen: { ...store, ...Object.fromEntries(methods) } as Store<Tx>,
    breakStore: async () => {
      away = true;
      return async () => {
        away = false;
      };
    },
  };
}
