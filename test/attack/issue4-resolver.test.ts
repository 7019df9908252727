import { createPgBossJobs } from '@semel/store-postgres/jobs';
import { createFixture, databaseUrl, type Fixture, random } from '@semel/store-postgres/testing/fixture';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call } from './attack.ts';
import { attack, idOf, jobFor } from './issue4-queue.ts';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture('i4r');
});
afterAll(async () => {
  await fixture.sql('DROP SCHEMA IF EXISTS {s}_jobs CASCADE');
  await fixture.close();
});

test('requests, renewals and status answers go on while four resolvers hang', {
  timeout: 90_000,
}, async () => {
  const store = fixture.store();
  const jobs = createPgBossJobs({ connection: databaseUrl, schema: `${fixture.schema}_jobs` });
  let hanging = 0;
  const end = Promise.withResolvers<undefined>();
  const { semel, ask, side, procedures } = attack<pg.ClientBase>({
    store,
    jobs,
    policy: {
      maxAttempts: 1,
      resolve: () => {
        hanging++;
        return end.promise;
      },
    },
    handle: () => Promise.reject(new Error('away')),
  });
  const ids: string[] = [];
  for (let i = 0; i < 6; i++) {
    const id = idOf(await ask(random()));
    await side().execute(jobFor(id));
    ids.push(id);
  }
  const worker = semel.startWorker(procedures, { resolveEveryMs: 20, offerEveryMs: 600_000 });
  await expect.poll(() => hanging, { timeout: 20_000 }).toBe(4);
  for (let i = 0; i < 20; i++) {
    const request = call({ mode: 'leased' }, { key: random() });
    const answer = await semel.engine.run(request, (operation) => operation.settle(async () => i));
    expect(answer).toMatchObject({ kind: 'completed', value: i });
  }
  // Whom they are asked about can be decided by nobody meanwhile, and nobody waits.
  const decided = await Promise.all(
    ids.map((id) => semel.decisions.redrive(id, { actor: 'operator:alice', reason: 'ticket 4711' })),
  );
  expect(decided.map(({ kind }) => kind).toSorted()).toEqual([
    'done',
    'done',
    'not_now',
    'not_now',
    'not_now',
    'not_now',
  ]);
  await worker.close(100);
  end.resolve(undefined);
  await semel.close();
  await jobs.close();
});

test('a resolver that was cut off with its connection has decided nothing, and the next one is asked', {
  timeout: 60_000,
}, async () => {
  const store = fixture.store();
  const jobs = createPgBossJobs({ connection: databaseUrl, schema: `${fixture.schema}_jobs` });
  let asked = 0;
  const { semel, ask, side } = attack<pg.ClientBase>({
    store,
    jobs,
    policy: {
      maxAttempts: 1,
      resolve: async ({ id }, tx) => {
        const client = tx as pg.ClientBase;
        await fixture.effect(client, `resolved ${id}`);
        if (++asked === 1) {
          const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
          await fixture.sql('SELECT pg_terminate_backend($1)', [rows[0].pid]);
        }
        return { completed: asked };
      },
    },
    handle: () => Promise.reject(new Error('away')),
  });
  const id = idOf(await ask(random()));
  await side().execute(jobFor(id));
  const state = async () => (await store.find(id))?.record.state;
  await fixture.sql('DELETE FROM {s}.attention WHERE operation_id <> $1', [id]);
  await Promise.all(await side().offer({ limit: 1, everyMs: 0 }));
  expect(await state()).toBe('dead');
  await expect
    .poll(
      async () => {
        await Promise.all(await side().offer({ limit: 1, everyMs: 0 }));
        return state();
      },
      { timeout: 20_000 },
    )
    .toBe('completed');
  expect(await fixture.effects()).toEqual([`resolved ${id}`]);
  await semel.close();
  await jobs.close();
});

test('an operation that was redriven keeps nothing of an attempt that wakes up later', async () => {
  const store = fixture.store();
  const jobs = createPgBossJobs({ connection: databaseUrl, schema: `${fixture.schema}_jobs` });
  const gates = new Map<number, PromiseWithResolvers<void>>();
  const gate = (attempt: number) =>
    gates.get(attempt) ?? gates.set(attempt, Promise.withResolvers<void>()).get(attempt);
  const { semel, ask, side, types } = attack<pg.ClientBase>({
    store,
    jobs,
    policy: { effects: 'steps', onCrash: 'suspend', leaseMs: 1_000, maxRunMs: 2_000 },
    handle: async (operation, key) => {
      await gate(operation.attempt)?.promise;
      return operation.settle(async (tx) => {
        await fixture.effect(tx, `${String(key)} attempt ${operation.attempt}`);
        return 'the same outcome of each';
      });
    },
  });
  const key = random();
  const id = idOf(await ask(key));
  const zombie = side().execute(jobFor(id));
  const state = async () => (await store.find(id))?.record.state;
  await expect
    .poll(
      async () => {
        await store.sweepOrphans({ limit: 100, trace: { actor: 'recovery' } });
        return state();
      },
      { timeout: 20_000 },
    )
    .toBe('suspended');
  const by = { actor: 'operator:alice', reason: 'ticket 4711' };
  expect(await semel.decisions.redrive(id, by)).toMatchObject({ kind: 'done' });
  gate(3)?.resolve();
  await side().execute(jobFor(id));
  expect(await state()).toBe('completed');
  gate(1)?.resolve();
  await zombie;
  expect((await fixture.effects()).filter((note) => note.startsWith(key))).toEqual([`${key} attempt 3`]);
  expect(await ask(key)).toMatchObject({
    kind: 'completed',
    value: 'the same outcome of each',
    replayed: true,
  });
  expect(types()).not.toContain('dead');
  await semel.close();
  await jobs.close();
});

test('each that waits for a decision is offered in its turn', async () => {
  const store = fixture.store();
  const jobs = createPgBossJobs({ connection: databaseUrl, schema: `${fixture.schema}_jobs` });
  const { semel, ask, side } = attack<pg.ClientBase>({
    store,
    jobs,
    policy: { maxAttempts: 1 },
    handle: () => Promise.reject(new Error('away')),
  });
  await fixture.sql('DELETE FROM {s}.attention');
  for (let i = 0; i < 10; i++) await side().execute(jobFor(idOf(await ask(random()))));
  const offered = new Set<string>();
  for (let round = 0; round < 5; round++)
    for (const { key } of await store.decisions.offer({ limit: 2, everyMs: 0 })) offered.add(key);
  expect(offered.size).toBe(10);
  await semel.close();
  await jobs.close();
});
