import type { Claim, Store } from '@semel/server/store';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createPostgresStore } from './index.ts';
import {
  COMPLETED,
  createFixture,
  enqueueRequest,
  type Fixture,
  random,
  request,
} from './testing/fixture.ts';
import { ownDatabase } from './testing/own-database.ts';

let db: Fixture;
beforeAll(async () => {
  db = await createFixture('schema');
});
afterAll(() => db.close());

const trace = { actor: 'request' };

const RESCHEDULED = { to: 'accepted', cause: 'rescheduled', delayMs: 1_000, lastError: 'busy' } as const;

async function startedOn(store: Store): Promise<Claim> {
  const asked = enqueueRequest();
  await store.queue.enqueue(asked, async () => {});
  const started = await store.queue.start({ operationId: asked.operationId, owner: random(), trace });
  if (started.kind !== 'started') throw new Error(started.kind);
  return started.claim;
}

// Old row versions are pruned once no snapshot of the whole cluster can see them, and a page that is full takes no HOT
// update. So a neighbour's open transaction costs some, in a database of its own too: it is tried again then.
test.each([
  { mode: 'leased', updates: 400 },
  // Starting names claimed_at, which the orphan sweep walks: those 200 are the ones that aren't.
  { mode: 'queued', updates: 600 },
] as const)(
  'renewals and ends of $mode attempts are HOT updates',
  { retry: 4, timeout: 120_000 },
  async ({ mode, updates }) => {
    const own = await ownDatabase(db.pool);
    const store = createPostgresStore({ connection: own.connection });
    const claims = await Promise.all(
      Array.from({ length: 200 }, async () => {
        if (mode === 'queued') return startedOn(store);
        const result = await store.claim(request());
        if (!result.won) throw new Error('lost');
        return result.claim;
      }),
    );
    for (const claim of claims) await store.renew([claim]);
    const half = mode === 'queued' ? 100 : 0;
    for (const claim of claims.slice(0, half)) await store.settle(claim, RESCHEDULED, trace);
    for (const claim of claims.slice(half)) await store.settle(claim, COMPLETED, trace);
    await store.close(); // a backend's statistics are complete when it has ended
    const counted = await vi.waitFor(async () => {
      const [row] = await own.sql<{ updated: number; hot: number }>(
        `SELECT n_tup_upd::int AS updated, n_tup_hot_upd::int AS hot FROM pg_stat_user_tables WHERE relname = 'operation'`,
      );
      if ((row?.updated ?? 0) < updates) throw new Error(`${row?.updated} updates counted`);
      return row;
    }, 20_000);
    await own.drop();
    expect(counted?.updated).toBe(updates);
    expect(counted?.hot).toBeGreaterThan(mode === 'leased' ? 360 : 350);
  },
);

test('no index names a column that renewals and settlements write', async () => {
  const rows = await db.sql<{ def: string }>(
    `SELECT pg_get_indexdef(indexrelid) AS def FROM pg_index WHERE indrelid = '{s}.operation'::regclass`,
  );
  expect(rows).toHaveLength(3);
  for (const { def } of rows)
    expect(def).not.toMatch(/\b(state|lease_until|expires_at|updated_at|outcome|version)\b/);
});

test('history is append-only', async () => {
  const store = db.store();
  const asked = request();
  const claimed = await store.claim(asked);
  if (claimed.won) await store.settle(claimed.claim, COMPLETED, trace);
  // The first transition is in the record's own row.
  await expect(db.sql(`UPDATE {s}.operation SET first_actor = 'nobody'`)).rejects.toThrow('append-only');
  await expect(db.sql(`UPDATE {s}.operation SET created_at = now()`)).rejects.toThrow('append-only');
  await expect(db.sql(`UPDATE {s}.transition SET actor = 'nobody'`)).rejects.toThrow('append-only');
  await expect(db.sql('DELETE FROM {s}.transition')).rejects.toThrow('append-only');
  await expect(db.sql('TRUNCATE {s}.transition')).rejects.toThrow('append-only');
  expect(await store.history(asked.operationId)).toHaveLength(2);
});

test('decisions are append-only', async () => {
  const store = db.store();
  const decision = { actor: 'operator:alice', reason: 'not wanted' };
  const other = enqueueRequest();
  await store.queue.enqueue(other, async () => {});
  await store.decisions.cancel(other.operationId, '{}', decision);
  await expect(db.sql(`UPDATE {s}.decision SET actor = 'nobody'`)).rejects.toThrow('append-only');
  await expect(db.sql('DELETE FROM {s}.decision')).rejects.toThrow('append-only');
  await expect(db.sql('TRUNCATE {s}.decision')).rejects.toThrow('append-only');
  expect(await store.decisions.decisions(other.operationId)).toHaveLength(1);
});

test('work and what waits for a decision follow the state, also when a person changes it', async () => {
  const store = db.store();
  const { operationId } = await startedOn(store);
  const kept = async () => ({
    work: (await db.sql('SELECT FROM {s}.work WHERE operation_id = $1', [operationId])).length,
    attention: (await db.sql('SELECT FROM {s}.attention WHERE operation_id = $1', [operationId])).length,
  });
  const change = (to: string) =>
    db.sql(`UPDATE {s}.operation SET ${to} WHERE operation_id = '${operationId}'`);
  expect(await kept()).toEqual({ work: 1, attention: 0 });
  await change(`state = 'dead', lease_until = NULL`);
  expect(await kept()).toEqual({ work: 1, attention: 1 });
  await change(`state = 'accepted'`);
  expect(await kept()).toEqual({ work: 1, attention: 0 });
  await change(`state = 'suspended'`);
  await change(`state = 'completed', outcome = '{}', expires_at = now()`);
  expect(await kept()).toEqual({ work: 0, attention: 0 });
});

test('an edge that the contract does not have is refused by the database', async () => {
  const insert = `INSERT INTO {s}.transition VALUES ($1, 1, 'completed', 'processing', 2, 'claimed', now(), 'x', NULL)`;
  await expect(db.sql(insert, [random()])).rejects.toMatchObject({ constraint: 'transition_allowed' });
});

test.each([
  [`state = 'lost', lease_until = NULL`, 'operation_state'],
  [`lease_until = NULL`, 'operation_lease_while_processing'],
  [`outcome = '{}'`, 'operation_outcome_once_settled'],
  [`expires_at = now()`, 'operation_expires_once_over'],
])('a processing record can not be given %s', async (change, constraint) => {
  const store = db.store();
  const asked = request();
  await store.claim(asked);
  const update = db.sql(`UPDATE {s}.operation SET ${change} WHERE operation_id = $1`, [asked.operationId]);
  await expect(update).rejects.toMatchObject({ constraint });
});
