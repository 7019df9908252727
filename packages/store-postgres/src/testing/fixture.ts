import { randomBytes } from 'node:crypto';
import type { AtomicEnd, AtomicRequest, ClaimRequest, EnqueueRequest, Store } from '@semel/server/store';
import pg from 'pg';
import { inject } from 'vitest';
import { migratePostgres } from '../migrations/migrate.ts';
import { createPostgresStore, type PostgresStoreOptions } from '../store.ts';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
  }
}

/** The Postgres of this test run. */
export const databaseUrl: string = inject('databaseUrl');

/** A schema of its own for one test file, with a table that stands for the handlers' effects. */
export interface Fixture {
  readonly schema: string;
  readonly pool: pg.Pool;
  /** A store on that schema; closed with the fixture. */
  store(options?: Partial<PostgresStoreOptions>): Store<pg.ClientBase>;
  sql<R extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<R[]>;
  /** Writes an effect as a handler would. */
  effect(tx: pg.ClientBase, note: string): Promise<void>;
  effects(): Promise<string[]>;
  /** Shifts everything stored into the past: as if that much time had gone by. */
  travel(ms: number): Promise<void>;
  /** Ends all connections; drops the schema unless it is to be looked at. */
  close(keep?: boolean): Promise<void>;
}

export async function createFixture(name: string): Promise<Fixture> {
  const schema = `t_${name}_${randomBytes(4).toString('hex')}`;
  await migratePostgres({ connection: databaseUrl, schema });
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 3 });
  pool.on('error', () => {}); // tests cut connections
  await pool.query(
    `CREATE TABLE ${schema}.effect (id bigint GENERATED ALWAYS AS IDENTITY, note text NOT NULL)`,
  );
  const stores: Store<pg.ClientBase>[] = [];

  const sql: Fixture['sql'] = async <R extends object>(text: string, values: unknown[] = []) => {
    const { rows } = await pool.query(text.replaceAll('{s}', schema), values);
    return rows as R[];
  };
  return {
    schema,
    pool,
    sql,
    store(options = {}) {
      // A busy machine takes its time to connect: the tests that are about that say how long they wait.
      const connection = { connectionString: databaseUrl, connectionTimeoutMillis: 20_000 };
      const store = createPostgresStore({ connection, schema, ...options });
      stores.push(store);
      return store;
    },
    async effect(tx, note) {
      await tx.query(`INSERT INTO ${schema}.effect (note) VALUES ($1)`, [note]);
    },
    async effects() {
      const rows = await sql<{ note: string }>('SELECT note FROM {s}.effect ORDER BY id');
      return rows.map((row) => row.note);
    },
    async travel(ms) {
      const by = `interval '${ms} milliseconds'`;
      const shift = (...columns: string[]) =>
        columns.map((column) => `${column} = ${column} - ${by}`).join(', ');
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        // History is append-only; a superuser's test may look away.
        await client.query(`SET LOCAL session_replication_role = replica`);
        const hot = ['updated_at', 'first_claimed_at', 'claimed_at', 'lease_until', 'expires_at'];
        await client.query(`UPDATE ${schema}.operation SET ${shift('created_at', ...hot)}`);
        await client.query(`UPDATE ${schema}.transition SET ${shift('at')}`);
        await client.query(`UPDATE ${schema}.step SET ${shift('at')}`);
        await client.query(`UPDATE ${schema}.rejected_transition SET ${shift('first_at', 'last_at')}`);
        await client.query(`UPDATE ${schema}.work SET ${shift('due_at')}`);
        await client.query(`UPDATE ${schema}.progress SET ${shift('at')}`);
        await client.query(`UPDATE ${schema}.decision SET ${shift('at')}`);
        await client.query(`UPDATE ${schema}.attention SET ${shift('since', 'offered_at')}`);
        await client.query(`UPDATE ${schema}.sweep SET ${shift('cursor_at')}`);
        await client.query('COMMIT');
      } finally {
        client.release();
      }
    },
    async close(keep = false) {
      await Promise.all(stores.map((store) => store.close()));
      if (!keep) await pool.query(`DROP SCHEMA ${schema} CASCADE`);
      await pool.end();
    },
  };
}

export const random = (): string => randomBytes(16).toString('hex');

export function request(change: Partial<ClaimRequest> = {}): ClaimRequest {
  return {
    scope: 'tenant-1',
    procedure: 'payments.create',
    key: random(),
    operationId: random(),
    owner: random(),
    fingerprint: 'v1:f',
    policy: {
      mode: 'leased',
      onCrash: 'suspend',
      leaseMs: 30_000,
      maxRunMs: 300_000,
      maxAttempts: 5,
      downstreamWindowMs: 72_000_000,
      ttlMs: 86_400_000,
    },
    trace: { actor: 'request', traceId: 'trace-1' },
    ...change,
  };
}

export function atomicRequest(change: Partial<AtomicRequest> = {}): AtomicRequest {
  const base = request();
  return {
    ...base,
    policy: { ...base.policy, mode: 'atomic' },
    mayRun: (found) => found === undefined || found.record.state === 'released',
    timeoutMs: 15_000,
    ...change,
  };
}

export function enqueueRequest(change: Partial<EnqueueRequest> = {}): EnqueueRequest {
  const base = request();
  return {
    ...base,
    policy: { ...base.policy, mode: 'queued', onCrash: 'resume' },
    work: { principal: 'user-1', input: '{"amount":100}', deadLetterOwner: 'payments' },
    ...change,
  };
}

export const COMPLETED = { to: 'completed', cause: 'succeeded', outcome: '{"v":1}' } as const;
export const FAILED = { to: 'failed', cause: 'failed', outcome: '{"v":1,"ok":false}' } as const;

export function keep<T>(value: T): AtomicEnd<T> {
  return { settlement: COMPLETED, effects: 'keep', value };
}
