import { randomBytes } from 'node:crypto';
import { createProviderSim, type ProviderSim, type ProviderSimOptions } from '@semel/provider-sim';
import { migratePostgres } from '@semel/store-postgres';
import { createTRPCClient, httpLink, type TRPCClient } from '@trpc/client';
import pg from 'pg';
import superjson from 'superjson';
import { createApiKey } from '../access/api-keys.ts';
import { ensureDemoKeys } from '../access/demo-keys.ts';
import type { Role } from '../access/roles.ts';
import { migrateDatabase } from '../database/migrate.ts';
import type { AppRouter } from '../procedures/router.ts';
import { createReferenceServer, type ReferenceServer } from '../server.ts';
import { readSettings, type Settings } from '../settings.ts';

/** A database of its own for one test file: migrated, and dropped at the end. */
export interface TestDatabase {
  readonly url: string;
  readonly pool: pg.Pool;
  close(): Promise<void>;
}

export async function createEmptyDatabase(serverUrl: string): Promise<TestDatabase> {
  const name = `t_reference_${randomBytes(4).toString('hex')}`;
  const admin = async (sql: string): Promise<void> => {
    const client = new pg.Client({ connectionString: serverUrl });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  await admin(`CREATE DATABASE ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const pool = new pg.Pool({ connectionString: url.href, max: 4 });
  // It may still be closing when the database goes, in use or idle.
  pool.on('connect', (client) => client.on('error', () => {}));
  pool.on('error', () => {});
  return {
    url: url.href,
    pool,
    async close() {
      await pool.end();
      await admin(`DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

export async function createTestDatabase(serverUrl: string): Promise<TestDatabase> {
  const database = await createEmptyDatabase(serverUrl);
  await migrateDatabase(database.url);
  await migratePostgres({ connection: database.url });
  return database;
}

/** A line of the server's log. */
export type LogLine = Readonly<Record<string, unknown>>;

export interface Rig {
  readonly server: ReferenceServer;
  readonly database: TestDatabase;
  readonly sim: ProviderSim;
  /** What the server has logged, oldest first. */
  readonly logs: LogLine[];
  /** A new key of a tenant. */
  key(tenantId: string, ...roles: Role[]): Promise<string>;
  /** Plain tRPC, without the client library: one request a call, under the key that is given. */
  client(apiKey: string, idempotencyKey?: string): TRPCClient<AppRouter>;
  close(): Promise<void>;
}

export async function createRig(
  serverUrl: string,
  { sim: simOptions, ...overrides }: Partial<Settings> & { sim?: ProviderSimOptions } = {},
): Promise<Rig> {
  const database = await createTestDatabase(serverUrl);
  const sim = await createProviderSim(simOptions);
  const logs: LogLine[] = [];
  await ensureDemoKeys(database.pool);
  const server = await createReferenceServer({
    settings: { ...readSettings({}), port: 0, databaseUrl: database.url, providerUrl: sim.url, ...overrides },
    logStream: { write: (line) => void logs.push(JSON.parse(line) as LogLine) },
  });
  return {
    server,
    database,
    sim,
    logs,
    async key(tenantId, ...roles) {
      const { key } = await createApiKey(database.pool, { tenantId, roles });
      return key;
    },
    client: (apiKey, idempotencyKey) =>
      createTRPCClient<AppRouter>({
        links: [
          httpLink({
            url: `${server.url}/trpc`,
            transformer: superjson,
            headers: {
              authorization: `Bearer ${apiKey}`,
              ...(idempotencyKey !== undefined && { 'idempotency-key': JSON.stringify(idempotencyKey) }),
            },
          }),
        ],
      }),
    async close() {
      await server.close();
      await sim.close();
      await database.close();
    },
  };
}

/** What a call was answered with when it was refused. */
export async function refusal(
  call: Promise<unknown>,
): Promise<{ code?: string; httpStatus?: number; idempotency?: unknown; message: string }> {
  try {
    await call;
  } catch (error) {
    const { message, data } = error as { message: string; data?: Record<string, unknown> };
    return { ...data, message };
  }
  throw new Error('The call was not refused');
}

/** Resolves when `found` finds something. */
export async function until<T>(found: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (;;) {
    const value = await found();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
