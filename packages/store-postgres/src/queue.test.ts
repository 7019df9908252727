import type { Claim, Store } from '@semel/server/store';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  COMPLETED,
  createFixture,
  enqueueRequest,
  type Fixture,
  random,
  request,
} from './testing/fixture.ts';

// What of the queue and the decisions only this store has; what every store promises is in the shared suite.

const trace = { actor: 'worker' };
const decision = { actor: 'operator:alice', reason: 'asked the provider' };
const MINUTE = 60_000;
let db: Fixture;
beforeAll(async () => {
  db = await createFixture('queue');
});
afterAll(() => db.close());

async function started(store: Store): Promise<Claim> {
  const asked = enqueueRequest();
  await store.queue.enqueue(asked, async () => {});
  const result = await store.queue.start({ operationId: asked.operationId, owner: random(), trace });
  if (result.kind !== 'started') throw new Error(result.kind);
  return result.claim;
}

test('a purge erases the progress and keeps who decided and why', async () => {
  const store = db.store();
  const claim = await started(store);
  await store.queue.recordProgress(claim, '"3 of 7"');
  await store.settle(claim, { to: 'suspended', cause: 'outcome_unknown' }, trace);
  const { operationId } = claim;
  await store.decisions.resolve(operationId, async () => ({ to: 'completed', outcome: '{}' }), decision);
  expect(await store.queue.progress(operationId)).toMatchObject({ value: '"3 of 7"', attempt: 1 });
  await store.purge({ select: { operationId }, limit: 1, trace, reason: 'asked to be forgotten' });
  expect(await store.queue.progress(operationId)).toBeUndefined();
  expect(await store.decisions.decisions(operationId)).toMatchObject([{ action: 'resolved', ...decision }]);
});

test('retention leaves nothing of an operation behind', async () => {
  const store = db.store();
  const claim = await started(store);
  const { operationId } = claim;
  await store.queue.recordProgress(claim, '1');
  await store.settle(claim, { to: 'suspended', cause: 'outcome_unknown' }, trace);
  await store.decisions.resolve(operationId, async () => ({ to: 'failed', outcome: '{}' }), decision);
  await db.travel(48 * 60 * MINUTE);
  await store.sweepExpired({ limit: 1_000 });
  for (const table of ['operation', 'work', 'progress', 'attention', 'decision', 'transition']) {
    const rows = await db.sql(`SELECT FROM {s}.${table} WHERE operation_id = $1`, [operationId]);
    expect(`${table}: ${rows.length}`).toBe(`${table}: 0`);
  }
});

test('work that an older server started before its time, and that dies, is found when its lease has run out', async () => {
  const store = db.store();
  const claim = await started(store);
  const later = { to: 'accepted', cause: 'rescheduled', delayMs: 600 * MINUTE, lastError: '' } as const;
  await store.settle(claim, later, trace);
  const { operationId } = claim;
  // Its `start` brought the work forward.
  await db.sql('UPDATE {s}.work SET due_at = now() WHERE operation_id = $1', [operationId]);
  const start = await store.queue.start({ operationId, owner: random(), trace });
  expect(start).toMatchObject({ kind: 'started', claim: { attempt: 2 } });
  await db.travel(MINUTE);
  const found = await store.queue.stranded({ limit: 1_000, graceMs: 30_000 });
  expect(found.filter((each) => each.operationId === operationId)).toMatchObject([{ state: 'processing' }]);
});

test('of many servers each offers other operations', async () => {
  const stores = [db.store(), db.store(), db.store()];
  const made: string[] = [];
  for (let i = 0; i < 12; i++) {
    const claimed = await stores[0]?.claim(request());
    if (claimed?.won !== true) throw new Error('lost');
    await stores[0]?.settle(claimed.claim, { to: 'suspended', cause: 'outcome_unknown' }, trace);
    made.push(claimed.claim.operationId);
  }
  const offered = await Promise.all(
    stores.map((store) => store.decisions.offer({ limit: 1_000, everyMs: MINUTE })),
  );
  const ids = offered.flat().map(({ operationId }) => operationId);
  expect(ids.filter((id) => made.includes(id)).toSorted()).toEqual(made.toSorted());
});

test('accepted work is started, done and erased whatever else shares the statements', async () => {
  const store = db.store();
  const claims = await Promise.all(Array.from({ length: 40 }, () => started(store)));
  await Promise.all(claims.map((claim) => store.settle(claim, COMPLETED, trace)));
  const ids = claims.map(({ operationId }) => operationId);
  expect(await db.sql('SELECT FROM {s}.work WHERE operation_id = ANY ($1)', [ids])).toEqual([]);
});
