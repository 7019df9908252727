import type { Store } from '@semel/server/store';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createPostgresStore } from '../store.ts';
import {
  COMPLETED,
  createFixture,
  databaseUrl,
  enqueueRequest,
  type Fixture,
  request,
} from '../testing/fixture.ts';
import { ownDatabase } from '../testing/own-database.ts';
import type { BatchingKnobs } from './writes.ts';

// What many callers cost together, exactly; and that a lone one costs what it did.

const trace = { actor: 'request' };
let db: Fixture;
/** The name of every statement that pg was given, in order. */
const sent: string[] = [];
beforeAll(async () => {
  db = await createFixture('batch_counts');
});
afterAll(() => db.close());
beforeEach(() => {
  sent.length = 0;
  const query = pg.Client.prototype.query;
  vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    const { name } = args[0] as { name?: string };
    if (name !== undefined) sent.push(name.replace(/^semel_|_[0-9a-f]{12}$/g, ''));
    return Reflect.apply(query, this, args) as unknown;
  } as never);
});
afterEach(() => void vi.restoreAllMocks());

async function leased(store: Store): Promise<void> {
  const claimed = await store.claim(request());
  if (!claimed.won) throw new Error('lost');
  await store.settle(claimed.claim, COMPLETED, trace);
}

const callers = (count: number, call: () => Promise<void>) =>
  Promise.all(Array.from({ length: count }, call)).then(() => undefined);

test('64 callers at once are two statements', async () => {
  sent.length = 0;
  const store = db.store();
  await callers(64, () => leased(store));
  expect(sent).toEqual(['claim_many', 'settle_many']);
});

test('what is more than maxRows goes with the next', async () => {
  const store = db.store({ batching: { maxRows: 100 } });
  await callers(250, async () => void (await store.claim(request())));
  expect(sent).toEqual(['claim_many', 'claim_many', 'claim_many']);
});

test('a lone caller, and one after the other, are the same statements as without batching', async () => {
  for (const batching of [{}, false] as const) {
    sent.length = 0;
    const store = db.store({ batching });
    await leased(store);
    await leased(store);
    expect(sent).toEqual(['claim', 'settle', 'claim', 'settle']);
  }
});

test('a store that was told not to batches nothing', async () => {
  const store = db.store({ batching: false });
  await callers(8, () => leased(store));
  expect(new Set(sent)).toEqual(new Set(['claim', 'settle']));
});

test.each([0, 1_001, 1.5, Number.NaN])('maxRows of %s is refused', (maxRows) => {
  expect(() => createPostgresStore({ connection: databaseUrl, batching: { maxRows } })).toThrow(TypeError);
});

test.each([
  { batching: { lanes: 1 } as BatchingKnobs, transactions: 2 },
  { batching: false as const, transactions: 128 },
])(
  '64 leased executions with batching $batching are $transactions transactions',
  { timeout: 120_000 },
  async ({ batching, transactions }) => {
    const run = async (times: number) => {
      const own = await ownDatabase(db.pool);
      // One lane opens one connection: as many in both runs.
      const store = createPostgresStore({ connection: own.connection, controlConnections: 1, batching });
      for (let i = 0; i < times; i++) await callers(64, () => leased(store));
      await store.close();
      const counted = await own.statistics();
      await own.drop();
      return counted.transactions;
    };
    // An autovacuum worker that looks in meanwhile makes some too: they must not count for much.
    const times = batching === false ? 10 : 40;
    const each = ((await run(times + 1)) - (await run(1))) / times;
    expect(each).toBeGreaterThan(transactions - 0.5);
    expect(each).toBeLessThan(transactions * 1.05 + 0.5);
  },
);

test('two servers that batch the same 1,000 keys: one winner each, one settlement each, no deadlock', async () => {
  const own = await ownDatabase(db.pool);
  // Looked for before a batch gives up by itself: one that there is gets counted.
  await own.sql(
    `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 20', current_database()); END $$`,
  );
  const stores = [1, 2].map(() => createPostgresStore({ connection: own.connection }));
  const keys = Array.from({ length: 1_000 }, (_, i) => `key-${i}`);
  const shuffled = () => keys.toSorted(() => Math.random() - 0.5);
  const claimed = (
    await Promise.all(
      stores.map((store) => Promise.all(shuffled().map((key) => store.claim(request({ key }))))),
    )
  ).flat();
  const winners = claimed.flatMap((result) => (result.won ? [result.claim] : []));
  expect(new Set(winners.map(({ key }) => key)).size).toBe(1_000);
  expect(winners).toHaveLength(1_000);
  // Each of them is settled by both, as if one had lost its acknowledgement.
  const settled = await Promise.all(
    stores.map((store) => Promise.all(winners.map((claim) => store.settle(claim, COMPLETED, trace)))),
  );
  expect(settled.flat().filter(({ kind }) => kind === 'settled')).toHaveLength(2_000);
  await Promise.all(stores.map((store) => store.close()));
  const counted = await own.sql(
    `SELECT (SELECT count(*)::int FROM semel.transition) AS transitions,
       (SELECT count(*)::int FROM semel.rejected_transition) AS refused`,
  );
  expect(counted).toEqual([{ transitions: 1_000, refused: 0 }]);
  expect((await own.statistics()).deadlocks).toBe(0);
  await own.drop();
});

test('the ends that only queued attempts have are never part of a batch', async () => {
  const always: BatchingKnobs = { always: true };
  const store = db.store({ batching: always });
  const asked = enqueueRequest();
  const { operationId, owner } = asked;
  await store.queue.enqueue(asked, async () => {});
  const ends = [
    { to: 'accepted', cause: 'rescheduled', delayMs: 0, lastError: 'busy' },
    { to: 'dead', cause: 'exhausted', lastError: 'busy' },
  ] as const;
  for (const [index, end] of ends.entries()) {
    const started = await store.queue.start({ operationId, owner: `${owner}${index}`, trace });
    if (started.kind !== 'started') throw new Error(started.kind);
    sent.length = 0;
    await store.settle(started.claim, end, trace);
    expect(sent).toEqual([end.to === 'accepted' ? 'reschedule' : 'exhaust']);
  }
});
