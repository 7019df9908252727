import { createProcessLayer } from '@semel/server';
import { createPgBossJobs } from '@semel/store-postgres/jobs';
import { createFixture, databaseUrl, type Fixture, random } from '@semel/store-postgres/testing/fixture';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { attack, idOf } from './issue4-queue.ts';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture('i4s');
});
afterAll(async () => {
  await fixture.sql('DROP SCHEMA IF EXISTS {s}_jobs CASCADE');
  await fixture.close();
});

const by = { actor: 'operator:alice', reason: 'ticket 4711' };
const OPERATIONS = 60;

test('with failing handlers, hasty operators, a queue that is emptied and workers that come and go, all comes to one end', {
  timeout: 120_000,
}, async () => {
  const [store, queue] = [fixture.store(), { connection: databaseUrl, schema: `${fixture.schema}_jobs` }];
  const jobs = createPgBossJobs({ ...queue, pollEveryMs: 20 });
  await jobs.start();
  const outside = new Map<string, number>();
  const server = () =>
    attack<pg.ClientBase>({
      store,
      jobs,
      policy: {
        effects: 'steps',
        maxAttempts: 3,
        leaseMs: 300,
        maxRunMs: 2000,
        backoff: { minMs: 1, maxMs: 50 },
      },
      semel: { recovery: { orphansEveryMs: 50 }, layers: [createProcessLayer()] },
      handle: async (operation, key) => {
        if (Math.random() < 0.2) throw new Error('away');
        await operation.step('charge', async (childKey) => {
          outside.set(childKey, (outside.get(childKey) ?? 0) + 1);
          if (Math.random() < 0.2) throw new Error('the answer got lost');
          if (Math.random() < 0.1) await new Promise((resolve) => setTimeout(resolve, 400));
          return 'charged';
        });
        operation.progress({ charged: true });
        if (Math.random() < 0.05) return new Promise(() => {});
        return operation.settle(async (tx) => {
          await fixture.effect(tx, String(key));
          return key;
        });
      },
    });
  const quick = { healEveryMs: 100, graceMs: 100, resolveEveryMs: 100, concurrency: 8 };
  const front = server();
  const keys = Array.from({ length: OPERATIONS }, () => random());
  const ids = new Map<string, string>();
  const accepting = Promise.all(keys.map(async (key) => ids.set(key, idOf(await front.ask(key)))));

  let over = false;
  async function comingAndGoing(): Promise<void> {
    while (!over) {
      const { semel, procedures } = server();
      semel.startWorker(procedures, quick);
      await new Promise((resolve) => setTimeout(resolve, 500 + Math.random() * 1500));
      if (Math.random() < 0.5) await semel.drain(50);
      await semel.close();
    }
  }
  async function operators(): Promise<void> {
    while (!over) {
      const id = [...ids.values()][Math.floor(Math.random() * ids.size)];
      if (id === undefined) continue;
      const dice = Math.random();
      if (dice < 0.1) await front.semel.decisions.cancel(id, by);
      else if (dice < 0.2) await front.semel.decisions.resolve(id, { completed: 'by hand' }, by);
      else await front.semel.decisions.redrive(id, { ...by, grantAttempts: 2 });
      if (Math.random() < 0.02) await fixture.sql('DELETE FROM {s}_jobs.job');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  async function retries(): Promise<void> {
    while (!over) {
      const key = keys[Math.floor(Math.random() * keys.length)] as string;
      await front.ask(key);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  await accepting;
  const storm = Promise.all([comingAndGoing(), comingAndGoing(), operators(), retries()]);
  const states = () =>
    fixture.sql(`SELECT operation_id FROM {s}.operation WHERE state NOT IN ('completed', 'failed')`);
  try {
    await expect.poll(states, { timeout: 90_000, interval: 100 }).toEqual([]);
  } finally {
    over = true;
    await storm;
  }

  const effects = await fixture.effects();
  for (const key of keys) {
    const id = ids.get(key) as string;
    const history = await store.history(id);
    const byAttempt = history.at(-1)?.cause === 'succeeded';
    expect(effects.filter((note) => note === key)).toHaveLength(byAttempt ? 1 : 0);
    expect(history.filter(({ to }) => to === 'completed' || to === 'failed')).toHaveLength(1);
    const said = { succeeded: key, resolved: 'by hand', cancelled: undefined }[String(history.at(-1)?.cause)];
    const fresh = await server().ask(key);
    expect(fresh).toMatchObject(said === undefined ? { kind: 'failed' } : { kind: 'completed', value: said });
    // What a layer has kept, and what the store says, are one answer.
    expect(await front.ask(key)).toEqual(fresh);
  }
  expect(await fixture.sql('SELECT FROM {s}.work')).toEqual([]);
  expect(await fixture.sql('SELECT FROM {s}.attention')).toEqual([]);
  await front.semel.close();
  await jobs.close();
});
