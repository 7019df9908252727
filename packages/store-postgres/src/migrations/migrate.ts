import { createHash } from 'node:crypto';
import pg from 'pg';
import { toolConfig } from '../connections/config.ts';
import { schemaName } from '../schema-name.ts';
import { operations } from './0001-operations.ts';
import { purges } from './0002-purges.ts';
import { queue } from './0003-queue.ts';
import { attention } from './0004-attention.ts';
import { lastError } from './0005-last-error.ts';
import { checksum, type Migration } from './migration.ts';

export const MIGRATIONS: readonly Migration[] = [operations, purges, queue, attention, lastError];

export interface MigratePostgresOptions {
  readonly connection: string | pg.PoolConfig;
  /** A plain lower-case identifier. Made if it doesn't exist. @default 'semel' */
  readonly schema?: string;
}

/**
 * Brings a schema up to date and returns the names of what was applied now (empty when nothing was pending).
 *
 * Any number of servers may call it at once: each migration runs in a transaction of its own, under an advisory lock
 * that ends with it, so it also works through a pooler in transaction mode. DDL gives up after 5 s of waiting for a
 * table lock rather than making every other query wait behind it; call it again then. What was applied is kept with
 * a checksum in `<schema>.migration`; a migration that was changed after it was applied, or one that this version
 * doesn't know, is refused.
 *
 * Needs the right to create a schema (or tables in the given one). The store itself needs only to read and write.
 */
export async function migratePostgres(options: MigratePostgresOptions): Promise<readonly string[]> {
  return applyMigrations(options, MIGRATIONS);
}

/** With a list of migrations of the caller's choice: for tests of the mechanism itself. */
export async function applyMigrations(
  { connection, schema = 'semel' }: MigratePostgresOptions,
  migrations: readonly Migration[],
): Promise<readonly string[]> {
  const name = schemaName(schema);
  const client = new pg.Client(toolConfig(connection));
  client.on('error', () => {}); // the query that runs reports it
  await client.connect();
  try {
    const applied: string[] = [];
    for (;;) {
      const next = await applyNext(client, name, migrations);
      if (next === undefined) return applied;
      applied.push(next);
    }
  } finally {
    await client.end();
  }
}

async function applyNext(
  client: pg.Client,
  schema: string,
  migrations: readonly Migration[],
): Promise<string | undefined> {
  await client.query('BEGIN');
  try {
    const done = await lockedHistory(client, schema);
    verify(done, migrations, schema);
    const next = migrations[done.length];
    if (next !== undefined) {
      await client.query(next.sql.replaceAll('{schema}', `"${schema}"`));
      await client.query(`INSERT INTO "${schema}".migration (id, name, checksum) VALUES ($1, $2, $3)`, [
        next.id,
        next.name,
        checksum(next),
      ]);
    }
    await client.query('COMMIT');
    return next?.name;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

interface Applied {
  readonly id: number;
  readonly name: string;
  readonly checksum: string;
}

async function lockedHistory(client: pg.Client, schema: string): Promise<readonly Applied[]> {
  const lock = createHash('sha256').update(`semel migrate ${schema}`).digest().readBigInt64BE(0);
  // Others may migrate meanwhile, so this waits longer than DDL may wait for a table.
  await client.query(`SELECT set_config('lock_timeout', '60s', true)`);
  await client.query('SELECT pg_advisory_xact_lock($1::bigint)', [String(lock)]);
  await client.query(`SELECT set_config('lock_timeout', '5s', true)`);
  const { rows } = await client.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
    `"${schema}".migration`,
  ]);
  if (rows[0]?.there !== true) {
    // Asked first: CREATE SCHEMA IF NOT EXISTS wants the right to create one even where it exists.
    const existing = await client.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
    if (existing.rowCount === 0) await client.query(`CREATE SCHEMA "${schema}"`);
    await client.query(
      `CREATE TABLE "${schema}".migration (
         id integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
       )`,
    );
  }
  const history = await client.query<Applied>(
    `SELECT id, name, checksum FROM "${schema}".migration ORDER BY id`,
  );
  return history.rows;
}

function verify(done: readonly Applied[], migrations: readonly Migration[], schema: string): void {
  for (const [index, row] of done.entries()) {
    const known = migrations[index];
    if (known === undefined || known.id !== row.id) {
      throw new Error(
        `Schema ${schema} has migration ${row.id} (${row.name}), which this version doesn't know`,
      );
    }
    if (checksum(known) !== row.checksum) {
      throw new Error(`Migration ${row.id} (${row.name}) was changed after it was applied to ${schema}`);
    }
  }
}
