import { randomUUID } from 'node:crypto';
import type { Claim, OperationRecord, Store } from '@semel/server/store';
import { createPgBossJobs } from '@semel/store-postgres/jobs';
import {
  createFixture,
  databaseUrl,
  type Fixture,
  random,
  request,
} from '@semel/store-postgres/testing/fixture';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { attack, idOf, jobFor } from './issue4-queue.ts';

let fixture: Fixture;
let stores: Store<pg.ClientBase>[];
let store: Store<pg.ClientBase>;
const closing: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  fixture = await createFixture('i4');
  stores = [fixture.store(), fixture.store()];
  [store] = stores as [Store<pg.ClientBase>];
});
afterAll(async () => {
  for (const close of closing.reverse()) await close();
  await fixture.sql('DROP SCHEMA IF EXISTS {s}_jobs CASCADE');
  await fixture.close();
});

function queue(name: string) {
  const jobs = createPgBossJobs({
    connection: databaseUrl,
    schema: `${fixture.schema}_jobs`,
    queue: name,
    pollEveryMs: 50,
  });
  closing.push(() => jobs.close());
  return jobs;
}
const trace = { actor: 'test' };
const by = { actor: 'operator:alice', reason: 'ticket 4711' };
const DONE = {
  to: 'completed',
  cause: 'succeeded',
  outcome: '{"v":1,"ok":true,"value":{"json":1}}',
} as const;

function pick<T>(random: () => number, all: readonly T[]): T {
  return all[Math.floor(random() * all.length)] as T;
}
/** Small and repeatable. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test.for([1, 2, 3, 4, 5, 6])(
  "whatever workers, operators, resolvers and sweeps do at once, one of them ends an operation, and its effects are that one's (seed %i)",
  { timeout: 60_000 },
  async (seed) => {
    const policy = {
      ...request().policy,
      mode: 'queued',
      onCrash: 'resume',
      leaseMs: 30,
      maxAttempts: 3,
    } as const;
    const operations = Array.from({ length: 6 }, () => request({ policy, procedure: `storm-${seed}` }));
    const ids = operations.map(({ operationId }) => operationId);
    const work = { principal: 'p', input: '1' };
    for (const operation of operations) await store.queue.enqueue({ ...operation, work }, async () => {});
    const ended = new Map<string, string[]>();
    const said = (id: string, who: string) => ended.set(id, [...(ended.get(id) ?? []), who]);

    async function actor(number: number): Promise<void> {
      const next = numbers(seed * 1000 + number);
      const at = pick(next, stores);
      let claim: Claim | undefined;
      for (let i = 0; i < 40; i++) {
        const id = pick(next, ids);
        const effect = (tx: pg.ClientBase, who: string) => fixture.effect(tx, `${id} ${who}`);
        switch (Math.floor(next() * 9)) {
          case 0:
          case 1: {
            const started = await at.queue.start({ operationId: id, owner: random(), trace });
            if (started.kind === 'started') claim = started.claim;
            break;
          }
          case 2: {
            if (claim === undefined) break;
            const held = claim;
            const result = await at.transact(
              held,
              async (tx) => {
                await fixture.effect(tx, `${held.operationId} attempt`);
                return { kind: 'settle', settlement: DONE, value: 1 };
              },
              { timeoutMs: 5000, trace },
            );
            if (result.kind === 'committed') said(held.operationId, 'attempt');
            claim = undefined;
            break;
          }
          case 3: {
            if (claim === undefined) break;
            const to = next() < 0.5 ? ('accepted' as const) : ('dead' as const);
            await at.settle(
              claim,
              to === 'dead'
                ? { to, cause: 'exhausted', lastError: '"x"' }
                : { to, cause: 'rescheduled', delayMs: 0, lastError: '"x"' },
              trace,
            );
            break;
          }
          case 4: {
            const decided = await at.decisions.resolve(
              id,
              async (tx) => {
                await effect(tx, 'resolver');
                return next() < 0.5 ? undefined : { to: 'completed', outcome: DONE.outcome };
              },
              by,
            );
            if (decided.kind === 'done') said(id, 'resolver');
            break;
          }
          case 5:
            await at.decisions.redrive(id, { grantAttempts: 1 }, (tx) => effect(tx, 'job'), by);
            break;
          case 6: {
            const decided = await at.decisions.cancel(id, DONE.outcome, by);
            if (decided.kind === 'done') said(id, 'cancel');
            break;
          }
          case 7:
            await at.sweepOrphans({ limit: 100, trace });
            await at.decisions.offer({ limit: 3, everyMs: 1 });
            break;
          case 8:
            if (claim !== undefined) await at.queue.recordProgress(claim, '1');
            await new Promise((resolve) => setTimeout(resolve, next() * 40));
        }
      }
    }
    await Promise.all(Array.from({ length: 8 }, (_, number) => actor(number)));

    const effects = await fixture.effects();
    for (const operationId of ids) {
      const record = (await store.find(operationId))?.record as OperationRecord;
      const settled = record.state === 'completed' || record.state === 'failed';
      expect(ended.get(operationId)?.length ?? 0).toBe(settled ? 1 : 0);
      const of = (who: string) => effects.filter((note) => note === `${operationId} ${who}`).length;
      const who = ended.get(operationId)?.[0];
      expect([of('attempt'), of('resolver')]).toEqual([
        who === 'attempt' ? 1 : 0,
        who === 'resolver' ? 1 : 0,
      ]);
      const history = await store.history(operationId);
      expect(history.map(({ seq }) => seq)).toEqual(history.map((_, i) => i + 1));
      expect(history.map(({ from }) => from).slice(1)).toEqual(history.map(({ to }) => to).slice(0, -1));
      expect(history.at(-1)).toMatchObject({ to: record.state, attempt: record.attempt });
      expect(of('job')).toBe(history.filter(({ cause }) => cause === 'redriven').length);
      const attempts = history.map(({ attempt }) => attempt);
      expect(attempts).toEqual(attempts.toSorted((a, b) => a - b));
      const [waits] = await fixture.sql<{ work: boolean; attention: boolean }>(
        `SELECT EXISTS (SELECT FROM {s}.work WHERE operation_id = $1) AS work,
                EXISTS (SELECT FROM {s}.attention WHERE operation_id = $1) AS attention`,
        [operationId],
      );
      expect(waits).toEqual({
        work: !settled,
        attention: record.state === 'suspended' || record.state === 'dead',
      });
    }
  },
);

test('an operation whose work somebody deleted is suspended, not tried for ever', async () => {
  const { semel, ask, side, types } = attack({
    store,
    jobs: queue('gone'),
    handle: () => 'done',
  });
  const id = idOf(await ask(random()));
  await fixture.sql('DELETE FROM {s}.work WHERE operation_id = $1', [id]);
  expect(await side().execute(jobFor(id))).toBe('ran');
  expect((await semel.store.find(id))?.record.state).toBe('suspended');
  expect(types()).toContain('undecryptable');
  await semel.close();
});

test('garbage in the queue is set aside, and what lies behind it is run', async () => {
  const jobs = queue('garbage');
  const { semel, ask, reaches, procedures, types } = attack({
    store,
    jobs,
    handle: () => 'done',
  });
  await jobs.start();
  const own = idOf(await ask(random()));
  const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`;
  const forged = [
    'null',
    '7',
    '"text"',
    '[]',
    deep,
    JSON.stringify({ ...jobFor(own), v: 2 }),
    JSON.stringify({ ...jobFor('nobody'), scope: 'x'.repeat(2_000_000), procedure: 'y'.repeat(1000) }),
    JSON.stringify({ ...jobFor(own), operationId: { $ne: null } }),
    JSON.stringify({ ...jobFor(own), procedure: '__proto__', traceparent: 'z'.repeat(100_000) }),
  ];
  for (const data of forged) {
    await fixture.sql(
      `INSERT INTO {s}_jobs.job (id, name, data, priority, retry_limit) VALUES ($1, 'garbage', $2::jsonb, 100, 3)`,
      [randomUUID(), data],
    );
  }
  semel.startWorker(procedures, { concurrency: 2 });
  await reaches(own, 'completed');
  await expect
    .poll(() => fixture.sql(`SELECT data FROM {s}_jobs.job WHERE name = 'garbage'`), { timeout: 20_000 })
    .toEqual([]);
  expect(types().filter((type) => type === 'job_unreadable')).toHaveLength(7);
  await semel.close();
});

test('what a handler throws is kept whatever characters it has', async () => {
  const { semel, ask, side } = attack({
    store,
    jobs: queue('characters'),
    policy: { maxAttempts: 1 },
    handle: () => Promise.reject(new Error('nul \0, half \ud800, long '.padEnd(100_000, '€'))),
  });
  const id = idOf(await ask(random()));
  await side().execute(jobFor(id));
  const shown = await semel.decisions.show(id);
  expect(shown?.operation.state).toBe('dead');
  // As much of it as people need: a half character may come out whole, its end may be cut off.
  expect(shown?.operation.lastError).toMatch(/nul \0, half [\ud800\ufffd], long €+/);
  expect(shown?.operation.lastError?.length).toBeLessThanOrEqual(2100);
  await semel.close();
});

test('a resolver that ends its transaction itself has decided nothing', async () => {
  const { semel, ask, side, types } = attack<pg.ClientBase>({
    store,
    jobs: queue('commits'),
    policy: {
      maxAttempts: 1,
      resolve: async (_operation, tx) => {
        await (tx as pg.ClientBase).query('COMMIT');
        return { completed: 'guessed' };
      },
    },
    handle: () => Promise.reject(new Error('away')),
  });
  const id = idOf(await ask(random()));
  await side().execute(jobFor(id));
  while (!types().includes('resolver_failed'))
    await Promise.all(await side().offer({ limit: 50, everyMs: 600_000 }));
  expect((await store.find(id))?.record.state).toBe('dead');
  await semel.close();
});

test('many healers at once send an operation that has lost its job one job, and not one each', {
  timeout: 60_000,
}, async () => {
  const jobs = queue('healed');
  await jobs.start();
  const { semel, ask, procedures } = attack({
    store,
    jobs: { ...jobs, send: async (tx, ...rest) => void (tx === undefined && (await jobs.send(tx, ...rest))) },
    handle: () => 'done',
  });
  for (let i = 0; i < 200; i++) await ask(random());
  const count = async () =>
    (await fixture.sql<{ n: number }>(`SELECT count(*)::int AS n FROM {s}_jobs.job WHERE name = 'healed'`))[0]
      ?.n;
  // They heal and work nothing off.
  const idle = { ...jobs, consume: async () => ({ stop: async () => {} }) };
  const servers = Array.from({ length: 4 }, () =>
    attack({ store, jobs: idle, handle: () => 'done' }).semel.startWorker(procedures, {
      healEveryMs: 100,
      graceMs: 0,
    }),
  );
  await expect.poll(count, { timeout: 20_000 }).toBeGreaterThanOrEqual(200);
  await Promise.all(servers.map((server) => server.close(10_000)));
  // Two, should the half minute end meanwhile in which they send the same one.
  expect(await count()).toBeLessThanOrEqual(400);
  await semel.close();
});
