import type { Store } from '@semel/server/store';
import {
  atomicRequest,
  COMPLETED,
  createFixture,
  databaseUrl,
  type Fixture,
  keep,
  request,
} from '@semel/store-postgres/testing/fixture';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, semelOn, stateOf } from './attack.ts';

let db: Fixture;
beforeAll(async () => {
  db = await createFixture('attack');
});
afterAll(() => db.close());

const expireLease = (key: string) =>
  db.sql(`UPDATE {s}.operation SET lease_until = clock_timestamp() - interval '1 ms' WHERE key = $1`, [key]);

async function claimed(store: Store<pg.ClientBase>, change = {}) {
  const asked = request(change);
  const result = await store.claim(asked);
  if (!result.won) throw new Error('lost');
  return { asked, claim: result.claim };
}

test('two attempts of one operation in one process are renewed each for itself', async () => {
  const store = db.store();
  const base = request();
  const { claim: first } = await claimed(store, {
    ...base,
    policy: { ...base.policy, onCrash: 'resume' },
  });
  await expireLease(first.key);
  const seen = await store.lookup(first);
  if (seen === undefined) throw new Error('no record');
  const second = await store.take({ ...base, owner: 'o'.repeat(22) }, seen.record, 'overtaken');
  if (!second.won) throw new Error('lost');
  const renewed = await store.renew([first, second.claim]);
  expect(renewed.map(({ attempt, renewed }) => [attempt, renewed])).toEqual([
    [1, false],
    [2, true],
  ]);
});

test('a handler that deallocates prepared statements spoils no connection for those after it', async () => {
  const store = db.store({ handlerConnections: 1 });
  await store.atomically(atomicRequest(), async () => keep(1));
  await store
    .atomically(atomicRequest(), async (tx) => {
      await tx.query('DEALLOCATE ALL');
      return keep(1);
    })
    .catch(() => {});
  for (let i = 0; i < 2; i++) {
    await store.atomically(atomicRequest(), async () => keep(1)).catch(() => {});
  }
  expect(await store.atomically(atomicRequest(), async () => keep('well'))).toMatchObject({ value: 'well' });
});

test('an operation that was leased and crashed does not stay in flight when its procedure became atomic', async () => {
  const store = db.store();
  const { engine } = semelOn(store);
  const leased = call({ mode: 'leased', effects: 'steps' }, { key: 'changed' });
  const claim = await store.claim({
    ...request({ scope: 'alice', procedure: 'p', key: 'changed', fingerprint: 'v1:f' }),
    policy: leased.policy.recorded,
  });
  expect(claim.won).toBe(true);
  await expireLease('changed');
  const atomic = call({ mode: 'atomic', inFlight: 'conflict' }, { key: 'changed' });
  expect(await engine.run(atomic, async () => 'never')).toMatchObject({
    kind: 'refused',
    problem: { code: 'outcome_unknown' },
  });
});

test('finding out about lost commits leaves connections to renew leases with', async () => {
  const store = db.store({
    handlerConnections: 4,
    controlConnections: 2,
    connection: { connectionString: databaseUrl, query_timeout: 6_000, connectionTimeoutMillis: 2_000 },
  });
  const { claim: bystander } = await claimed(store);
  const blocked = await Promise.all([claimed(store), claimed(store), claimed(store)]);
  // Somebody holds the rows, and the connections of the transactions in their last flight break.
  const holder = new pg.Client(databaseUrl);
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query(`SELECT FROM ${db.schema}.operation WHERE operation_id = ANY ($1) FOR UPDATE`, [
    blocked.map(({ claim }) => claim.operationId),
  ]);
  const pids: number[] = [];
  const ends = blocked.map(({ claim }) =>
    store.transact(
      claim,
      async (tx) => {
        pids.push(Number((await tx.query('SELECT pg_backend_pid() AS pid')).rows[0].pid));
        return { kind: 'settle', settlement: COMPLETED, value: 1 } as const;
      },
      { timeoutMs: 60_000, trace: { actor: 'request' } },
    ),
  );
  await expect
    .poll(
      async () => {
        const [row] = await db.sql<{ n: number }>(
          `SELECT count(*)::int AS n FROM pg_stat_activity WHERE pid = ANY ($1) AND wait_event_type = 'Lock'`,
          [pids],
        );
        return row?.n;
      },
      { timeout: 20_000 },
    )
    .toBe(3);
  await db.sql('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) pid', [pids]);
  await expect
    .poll(
      async () => {
        const [row] = await db.sql<{ n: number }>(
          `SELECT count(*)::int AS n FROM pg_stat_activity WHERE query LIKE '%SET epoch = epoch + 1%' AND wait_event_type = 'Lock'`,
        );
        return row?.n;
      },
      { timeout: 20_000 },
    )
    .toBeGreaterThanOrEqual(2);
  const renewed = await store.renew([bystander]).catch((error: unknown) => error);
  await holder.query('ROLLBACK');
  await holder.end();
  await Promise.allSettled(ends);
  expect(renewed).toMatchObject([{ renewed: true }]);
});

test('a claim that the server carried out after its caller had given up is given back', async () => {
  const store = db.store({
    connection: { connectionString: databaseUrl, query_timeout: 500 },
  });
  const { engine } = semelOn(store);
  const asked = call({ mode: 'leased', leaseMs: 5_000 }, { key: 'late' });
  const holder = new pg.Client(databaseUrl);
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query(`LOCK TABLE ${db.schema}.operation IN SHARE MODE`); // as CREATE INDEX does: reads go on
  expect(await engine.run(asked, async () => 'never')).toMatchObject({
    kind: 'refused',
    problem: { code: 'store_unavailable' },
  });
  // Longer than the first look of the one that gives back.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await holder.query('ROLLBACK');
  await holder.end();
  await expect.poll(() => stateOf(store, asked), { timeout: 20_000 }).toBe('released');
});
