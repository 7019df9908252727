import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { databaseUrl } from '../testing/fixture.ts';
import { MIGRATIONS, migratePostgres } from './migrate.ts';
import { migrationStatus } from './status.ts';

const schema = `t_status_${randomBytes(4).toString('hex')}`;
const options = { connection: databaseUrl, schema };
let pool: pg.Pool;
beforeAll(() => {
  pool = new pg.Pool({ connectionString: databaseUrl, max: 1 });
});
afterAll(async () => {
  await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await pool.end();
});

const states = async () => (await migrationStatus(options)).map(({ id, state }) => [id, state]);

test('says what is pending, applied, changed and of a newer version, and changes nothing', async () => {
  expect(await states()).toEqual(MIGRATIONS.map(({ id }) => [id, 'pending']));
  const none = await pool.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
  expect(none.rowCount).toBe(0);

  await migratePostgres(options);
  const applied = await migrationStatus(options);
  expect(applied.map(({ name, state }) => [name, state])).toEqual(
    MIGRATIONS.map(({ name }) => [name, 'applied']),
  );
  expect(applied.every(({ appliedAt }) => appliedAt instanceof Date)).toBe(true);

  await pool.query(`UPDATE ${schema}.migration SET checksum = 'x' WHERE id = 1`);
  await pool.query(`DELETE FROM ${schema}.migration WHERE id = 4`);
  await pool.query(`INSERT INTO ${schema}.migration (id, name, checksum) VALUES (99, 'future', 'x')`);
  expect(await states()).toEqual([
    [1, 'changed'],
    [2, 'applied'],
    [3, 'applied'],
    [5, 'applied'],
    [99, 'unknown'],
    [4, 'pending'],
  ]);
});
