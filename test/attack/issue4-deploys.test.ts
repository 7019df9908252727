import { createPgBossJobs } from '@semel/store-postgres/jobs';
import { createFixture, databaseUrl, type Fixture, random } from '@semel/store-postgres/testing/fixture';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, semelOn } from './attack.ts';
import { attack, idOf } from './issue4-queue.ts';

let old: Fixture;
let other: Fixture;
let current: Fixture;
beforeAll(async () => {
  [old, other, current] = [
    await createFixture('i4old'),
    await createFixture('i4b'),
    await createFixture('i4a'),
  ];
  // As it was before the migration that brings the queue: this code is deployed first.
  await old.sql(`DROP TRIGGER operation_in_step ON {s}.operation`);
  await old.sql(`DROP TABLE {s}.work, {s}.progress, {s}.decision, {s}.attention`);
  await old.sql(`DELETE FROM {s}.migration WHERE id > 2`);
});
afterAll(async () => {
  await current.sql('DROP SCHEMA IF EXISTS {s}_jobs CASCADE');
  await old.sql('DROP SCHEMA IF EXISTS {s}_jobs CASCADE');
  for (const fixture of [old, other, current]) await fixture.close();
});

test('leased and atomic calls go on where the migration for the queue has not come yet', async () => {
  const { engine } = semelOn(old.store());
  for (const mode of ['leased', 'atomic'] as const) {
    const request = call({ mode }, { key: random() });
    expect(await engine.run(request, async () => 1)).toMatchObject({ kind: 'completed', replayed: false });
    expect(await engine.run(request, async () => 2)).toMatchObject({ value: 1, replayed: true });
  }
});

test('a queued call on a schema without the migration for it says so, and accepts nothing', async () => {
  const store = old.store();
  const jobs = createPgBossJobs({ connection: databaseUrl, schema: `${old.schema}_jobs` });
  const { semel, ask } = attack({ store, jobs, handle: () => 'done' });
  const key = random();
  await expect(ask(key)).rejects.toThrow('The schema of the store is missing or old: call migratePostgres()');
  expect(await store.lookup({ scope: 'alice', procedure: 'pay', key })).toBeUndefined();
  await semel.close();
  await jobs.close();
});

test("a job that another store's worker got is sent again", { timeout: 60_000 }, async () => {
  const queue = () =>
    createPgBossJobs({ connection: databaseUrl, schema: `${current.schema}_jobs`, pollEveryMs: 50 });
  const [jobs, foreign] = [queue(), queue()];
  const mine = attack({ store: current.store(), jobs, handle: () => 'done' });
  const theirs = attack({ store: other.store(), jobs: foreign, handle: () => 'theirs' });
  const theirWorker = theirs.semel.startWorker(theirs.procedures, { graceMs: 0, healEveryMs: 100 });
  const id = idOf(await mine.ask('k'));
  await expect.poll(() => jobs.waiting([id]), { timeout: 20_000 }).toEqual(new Set());
  await theirWorker.close(1000);
  mine.semel.startWorker(mine.procedures, { graceMs: 0, healEveryMs: 100 });
  await mine.reaches(id, 'completed');
  expect((await other.sql('SELECT FROM {s}.operation')).length).toBe(0);
  await Promise.all([mine.semel.close(), theirs.semel.close()]);
  await Promise.all([jobs.close(), foreign.close()]);
});
