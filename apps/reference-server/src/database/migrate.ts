import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';

interface Migration {
  readonly id: number;
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

const FOLDER = new URL('./migrations/', import.meta.url);

/** `0001-access.sql`, `0002-orders.sql` … in order. */
export function readMigrations(): readonly Migration[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => {
      const sql = readFileSync(new URL(file, FOLDER), 'utf8');
      const checksum = createHash('sha256').update(sql).digest('hex');
      return { id: Number(file.slice(0, 4)), name: file.slice(5, -4), sql, checksum };
    });
}

// Any fixed number will do; only this application's migrations take it.
const LOCK = '5063201144867230465';

/**
 * Brings this application's tables up to date; the store migrates its own. Any number of servers may call it at once:
 * the first one works, the others wait for it and find nothing to do. All of it is one transaction.
 *
 * @returns the names of what was applied now
 * @throws when a migration was edited after it was applied, or the database is newer than this code
 */
export async function migrateDatabase(databaseUrl: string): Promise<readonly string[]> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5_000 });
  client.on('error', () => {}); // the query that runs reports it
  try {
    await client.connect();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`The database can't be reached (is DATABASE_URL right?): ${why}`, { cause });
  }
  try {
    await client.query('BEGIN');
    await client.query(`SELECT set_config('lock_timeout', '60s', true)`);
    await client.query('SELECT pg_advisory_xact_lock($1::bigint)', [LOCK]);
    // Waiting for a table must not make every other query wait behind us.
    await client.query(`SELECT set_config('lock_timeout', '5s', true)`);
    const applied = await applyPending(client, readMigrations());
    await client.query('COMMIT');
    return applied;
  } finally {
    await client.end();
  }
}

async function applyPending(client: pg.Client, migrations: readonly Migration[]): Promise<string[]> {
  await client.query('CREATE SCHEMA IF NOT EXISTS reference');
  await client.query(`CREATE TABLE IF NOT EXISTS reference.migration (
    id integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp())`);
  const { rows: done } = await client.query<{ id: number; name: string; checksum: string }>(
    'SELECT id, name, checksum FROM reference.migration ORDER BY id',
  );
  for (const row of done) {
    const known = migrations.find(({ id }) => id === row.id);
    if (known === undefined)
      throw new Error(`The database has migration ${row.id} (${row.name}), unknown here`);
    if (known.checksum !== row.checksum) {
      throw new Error(`Migration ${row.id} (${row.name}) was changed after it was applied`);
    }
  }
  const pending = migrations.filter(({ id }) => done.every((row) => row.id !== id));
  for (const { id, name, sql, checksum } of pending) {
    await client.query(sql);
    await client.query('INSERT INTO reference.migration (id, name, checksum) VALUES ($1, $2, $3)', [
      id,
      name,
      checksum,
    ]);
  }
  return pending.map(({ name }) => name);
}
