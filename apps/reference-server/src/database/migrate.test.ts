import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createEmptyDatabase, type TestDatabase } from '../testing/rig.ts';
import type {} from '../testing/vitest-context.ts';
import { migrateDatabase, readMigrations } from './migrate.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createEmptyDatabase(inject('databaseUrl'));
});
afterAll(() => database.close());

test('migrations are numbered without a gap', () => {
  expect(readMigrations().map(({ id }) => id)).toStrictEqual([1, 2, 3, 4, 5]);
});

test('of servers that start together one migrates, and the others find nothing to do', async () => {
  const applied = await Promise.all([1, 2, 3, 4].map(() => migrateDatabase(database.url)));
  expect(applied.flat().sort()).toStrictEqual(['access', 'enrollments', 'orders', 'payments', 'payouts']);
  expect(await migrateDatabase(database.url)).toStrictEqual([]);
});

test('a migration that was edited after it was applied is refused', async () => {
  await database.pool.query(`UPDATE reference.migration SET checksum = 'other' WHERE id = 2`);
  await expect(migrateDatabase(database.url)).rejects.toThrow(
    'Migration 2 (orders) was changed after it was applied',
  );
});

test('a database that is newer than the code is refused', async () => {
  await database.pool.query(`INSERT INTO reference.migration (id, name, checksum) VALUES (9, 'later', 'x')`);
  await database.pool.query(`UPDATE reference.migration SET checksum = $1 WHERE id = 2`, [
    readMigrations()[1]?.checksum,
  ]);
  await expect(migrateDatabase(database.url)).rejects.toThrow('migration 9 (later), unknown here');
});
