import { randomBytes } from 'node:crypto';
import { sqlStateCheck, sqlTransitionCheck } from '@semel/contract/v1/pure';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PACKED } from '../statements/record.ts';
import { databaseUrl } from '../testing/fixture.ts';
import { operations } from './0001-operations.ts';
import { purges } from './0002-purges.ts';
import { queue } from './0003-queue.ts';
import { attention } from './0004-attention.ts';
import { lastError } from './0005-last-error.ts';
import { applyMigrations, MIGRATIONS, migratePostgres } from './migrate.ts';
import { checksum, type Migration } from './migration.ts';

const connection = databaseUrl;
const prefix = `t_migrate_${randomBytes(4).toString('hex')}`;
const schemas: string[] = [];
let pool: pg.Pool;

beforeAll(() => {
  pool = new pg.Pool({ connectionString: connection, max: 2 });
});
afterAll(async () => {
  for (const schema of schemas) await pool.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
  await pool.end();
});

function freshSchema(): string {
  const schema = `${prefix}_${schemas.length}`;
  schemas.push(schema);
  return schema;
}

const second: Migration = { id: 6, name: 'second', sql: 'CREATE TABLE {schema}.second (id integer)' };

test('eight servers that migrate at once apply each migration once', async () => {
  const schema = freshSchema();
  const all = [...MIGRATIONS, second];
  const applied = await Promise.all(
    Array.from({ length: 8 }, () => applyMigrations({ connection, schema }, all)),
  );
  expect(applied.flat().sort()).toEqual([
    'attention',
    'last-error',
    'operations',
    'purges',
    'queue',
    'second',
  ]);
  const { rows } = await pool.query(`SELECT id, name FROM ${schema}.migration ORDER BY id`);
  expect(rows).toEqual([
    { id: 1, name: 'operations' },
    { id: 2, name: 'purges' },
    { id: 3, name: 'queue' },
    { id: 4, name: 'attention' },
    { id: 5, name: 'last-error' },
    { id: 6, name: 'second' },
  ]);
});

test('an up-to-date schema is left alone', async () => {
  const schema = freshSchema();
  expect(await migratePostgres({ connection, schema })).toEqual([
    'operations',
    'purges',
    'queue',
    'attention',
    'last-error',
  ]);
  expect(await migratePostgres({ connection, schema })).toEqual([]);
});

test('a migration that was changed after it was applied is refused', async () => {
  const schema = freshSchema();
  await migratePostgres({ connection, schema });
  const edited = { ...operations, sql: `${operations.sql}\n-- an afterthought` };
  await expect(applyMigrations({ connection, schema }, [edited])).rejects.toThrow(
    `Migration 1 (operations) was changed after it was applied to ${schema}`,
  );
});

test('a schema that a newer version migrated is refused', async () => {
  const schema = freshSchema();
  await applyMigrations({ connection, schema }, [...MIGRATIONS, second]);
  await expect(migratePostgres({ connection, schema })).rejects.toThrow(
    `Schema ${schema} has migration 6 (second), which this version doesn't know`,
  );
});

test('a migration that fails leaves nothing of itself and keeps those before it', async () => {
  const schema = freshSchema();
  const broken: Migration = {
    id: 6,
    name: 'broken',
    sql: 'CREATE TABLE {schema}.half (id integer); SELECT 1 / 0',
  };
  await expect(applyMigrations({ connection, schema }, [...MIGRATIONS, broken])).rejects.toThrow(
    'division by zero',
  );
  const { rows } = await pool.query(
    `SELECT (SELECT count(*)::int FROM ${schema}.migration) AS applied, to_regclass('${schema}.half') AS half`,
  );
  expect(rows).toEqual([{ applied: 5, half: null }]);
});

test('the migrations are frozen', () => {
  expect(checksum(operations)).toBe('af14ff0d2f722667a543c0bfaf5cd8b598bef7ee4f49d424d0550ddc87875bae');
  expect(checksum(purges)).toBe('b81855e4aab264a41a2f32271cce5004b3d9c507cf2778a8cb8f7c23942cba90');
  expect(checksum(queue)).toBe('e9bfa8b1ea8f479ac7f53347d3f7339d05bd4fc17f3fc506a37bb02be09740e6');
  expect(checksum(attention)).toBe('79b68c04ef10d24b0272bc1bff18a1c27e755e9463b5eed7d4a6498c178aa806');
  expect(checksum(lastError)).toBe('145336d6ad36f8c43b847643828e944df3ca8c8f3517abab26ed233e682b105d');
});

test('what waited for a decision before there was a list of it is on it after the migration', async () => {
  const schema = freshSchema();
  await applyMigrations({ connection, schema }, [operations, purges]);
  await pool.query(
    `INSERT INTO ${schema}.operation (scope, procedure, key, operation_id, state, attempt, owner, fingerprint, version,
       mode, on_crash, lease_ms, max_run_ms, max_attempts, downstream_window_ms, ttl_ms, created_at, first_actor,
       updated_at, first_claimed_at, lease_until)
     SELECT 's', 'p', state, state, state, 1, 'o', 'f', 2, 'leased', 'suspend', 1, 1, 5, 1, 1, now(), 'request',
       '2026-01-01Z', now(), CASE state WHEN 'processing' THEN now() END
     FROM unnest('{processing,suspended}'::text[]) AS made (state)`,
  );
  expect(await migratePostgres({ connection, schema })).toEqual(['queue', 'attention', 'last-error']);
  const { rows } = await pool.query(`SELECT operation_id, since FROM ${schema}.attention`);
  expect(rows).toEqual([{ operation_id: 'suspended', since: new Date('2026-01-01Z') }]);
  // Also where a server of the version before suspends: the trigger sees it.
  await pool.query(
    `UPDATE ${schema}.operation SET state = 'suspended', lease_until = NULL WHERE key = 'processing'`,
  );
  const after = await pool.query(`SELECT operation_id FROM ${schema}.attention ORDER BY 1`);
  expect(after.rows).toEqual([{ operation_id: 'processing' }, { operation_id: 'suspended' }]);
});

test("the states and transitions that the schema allows are the contract's", () => {
  expect(operations.sql).toContain(`CONSTRAINT operation_state CHECK (${sqlStateCheck('value')})`);
  expect(operations.sql).toContain(`CHECK (${sqlTransitionCheck('from_state', 'to_state', 'cause')})`);
});

test('the function of the first flight reads a record as the look-up does', () => {
  expect(operations.sql).toContain(`SELECT ${PACKED} || E'\\x1e'`);
});

test.each(['Semel', 'semel"; DROP SCHEMA public', 'pg_semel', '1semel', '', 'a'.repeat(64)])(
  'a schema called %j is refused before anything is sent',
  async (schema) => {
    await expect(migratePostgres({ connection: 'postgres://127.0.0.1:1/none', schema })).rejects.toThrow(
      TypeError,
    );
  },
);
