import { afterAll, beforeAll, expect, test } from 'vitest';
import { COMPLETED, createFixture, type Fixture, random, request } from './testing/fixture.ts';

let db: Fixture;
beforeAll(async () => {
  db = await createFixture('sweeps');
});
afterAll(() => db.close());

const trace = { actor: 'recovery' };
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

test('an orphan sweep costs the new rows and the live ones, however many have ended', async () => {
  const store = db.store();
  const live = await store.claim({ ...request(), policy: { ...request().policy, leaseMs: 100 * HOUR } });
  for (let i = 0; i < 30; i++) {
    const claimed = await store.claim(request());
    if (claimed.won) await store.settle(claimed.claim, COMPLETED, trace);
  }
  await db.travel(5 * MINUTE);
  expect(await store.sweepOrphans({ limit: 100, trace })).toEqual({
    examined: 31,
    changed: [],
    complete: true,
  });
  expect(await store.sweepOrphans({ limit: 100, trace })).toEqual({
    examined: 1,
    changed: [],
    complete: true,
  });
  const orphan = request();
  await store.claim(orphan);
  await db.travel(5 * MINUTE);
  const { examined, changed } = await store.sweepOrphans({ limit: 100, trace });
  expect({ examined, changed }).toEqual({
    examined: 2,
    changed: [
      {
        ...{ operationId: orphan.operationId, procedure: 'payments.create', scope: 'tenant-1' },
        ...{ key: orphan.key, attempt: 1, state: 'suspended' },
      },
    ],
  });
  if (live.won) await store.settle(live.claim, COMPLETED, trace);
});

test('a straggler whose lease runs out long after the cursor passed it is suspended', async () => {
  const store = db.store();
  const asked = { ...request(), policy: { ...request().policy, leaseMs: HOUR } };
  await store.claim(asked);
  await db.travel(5 * MINUTE);
  expect(await store.sweepOrphans({ limit: 100, trace })).toMatchObject({ changed: [] });
  await db.travel(2 * HOUR);
  expect(await store.sweepOrphans({ limit: 100, trace })).toMatchObject({
    changed: [{ operationId: asked.operationId }],
  });
  expect((await store.find(asked.operationId))?.record.state).toBe('suspended');
  expect(await store.sweepOrphans({ limit: 100, trace })).toMatchObject({ examined: 0 });
});

test('a claim that commits behind the cursor of the last minute is still met', async () => {
  const store = db.store();
  await store.claim(request());
  await store.sweepOrphans({ limit: 100, trace });
  const [cursor] = await db.sql<{ behind: boolean }>(
    `SELECT cursor_at < clock_timestamp() - interval '1 minute' AS behind FROM {s}.sweep WHERE name = 'orphans'`,
  );
  expect(cursor).toEqual({ behind: true });
});

test('a retention sweep goes on where it stopped and begins again at the end', async () => {
  const store = db.store();
  for (let i = 0; i < 5; i++) {
    const claimed = await store.claim({ ...request(), key: `k${i}-${random()}` });
    if (claimed.won) await store.settle(claimed.claim, COMPLETED, trace);
  }
  await db.travel(30 * HOUR);
  const [before] = await db.sql<{ n: number }>('SELECT count(*)::int AS n FROM {s}.operation');
  let deleted = 0;
  for (let complete = false; !complete; ) {
    const report = await store.sweepExpired({ limit: 3 });
    expect(report.changed.length).toBeLessThanOrEqual(3);
    deleted += report.changed.length;
    complete = report.complete;
  }
  const left = await db.sql<{ state: string }>('SELECT state FROM {s}.operation');
  expect(deleted).toBe((before?.n ?? 0) - left.length);
  expect(left.map(({ state }) => state)).not.toContain('completed');
  expect(
    await db.sql(
      'SELECT FROM {s}.transition t WHERE NOT EXISTS (SELECT FROM {s}.operation o WHERE o.operation_id = t.operation_id)',
    ),
  ).toEqual([]);
  const again = await store.sweepExpired({ limit: 100 });
  expect(again).toEqual({ examined: left.length, changed: [], complete: true });
});

test('what a late owner left is forgotten a month after its operation', async () => {
  const store = db.store();
  const asked = request();
  const claimed = await store.claim(asked);
  if (!claimed.won) throw new Error('lost');
  await store.settle(claimed.claim, COMPLETED, trace);
  await db.travel(30 * HOUR);
  await store.sweepExpired({ limit: 1000 });
  expect(await store.settle(claimed.claim, { to: 'released', cause: 'released' }, trace)).toEqual({
    kind: 'overtaken',
    by: { state: 'released', attempt: 0 },
  });
  await store.sweepExpired({ limit: 1000 });
  expect(await store.rejected(asked.operationId)).toHaveLength(1);
  await db.travel(31 * 24 * HOUR);
  await store.sweepExpired({ limit: 1000 });
  expect(await store.rejected(asked.operationId)).toEqual([]);
});
