import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  atomicRequest,
  COMPLETED,
  createFixture,
  FAILED,
  type Fixture,
  keep,
  request,
} from './testing/fixture.ts';

let db: Fixture;
beforeAll(async () => {
  db = await createFixture('store');
});
afterAll(() => db.close());

const trace = { actor: 'request' };

describe('a leased operation', () => {
  test('is claimed, renewed, given a step, settled, and replayed', async () => {
    const store = db.store();
    const asked = request();
    const claimed = await store.claim(asked);
    if (!claimed.won) throw new Error('lost');
    expect(claimed.claim.attempt).toBe(1);
    expect(await store.renew([claimed.claim])).toEqual([
      { operationId: asked.operationId, attempt: 1, renewed: true },
    ]);
    const step = { name: 'charge', kind: 'step', fingerprint: '', result: '{"id":1}', attempt: 1 } as const;
    expect(await store.recordStep(claimed.claim, step, trace)).toEqual({ kind: 'recorded' });
    expect(await store.steps(asked.operationId)).toEqual([step]);
    const settled = await store.settle(claimed.claim, COMPLETED, trace);
    expect(settled.kind).toBe('settled');
    const found = await store.lookup(asked);
    expect(found?.record).toMatchObject({ state: 'completed', outcome: '{"v":1}', version: 2, attempt: 1 });
    expect(found?.record.policy).toEqual(asked.policy);
    expect(await store.find(asked.operationId)).toMatchObject({
      record: { scope: 'tenant-1', key: asked.key },
    });
    const history = await store.history(asked.operationId);
    expect(history.map(({ seq, from, to, cause }) => [seq, from, to, cause])).toEqual([
      [1, null, 'processing', 'claimed'],
      [2, 'processing', 'completed', 'succeeded'],
    ]);
  });

  test('is taken over once its lease ran out, and its late owner leaves evidence', async () => {
    const store = db.store();
    const asked = request();
    const first = await store.claim(asked);
    await db.travel(31_000);
    const again = { ...asked, owner: 'second' };
    const seen = await store.claim(again);
    if (!first.won || seen.won) throw new Error('unexpected');
    const second = await store.take(again, seen.record, 'overtaken');
    expect(second).toMatchObject({ won: true, claim: { attempt: 2, owner: 'second' } });
    expect(await store.settle(first.claim, COMPLETED, trace)).toEqual({
      kind: 'overtaken',
      by: { state: 'processing', attempt: 2 },
    });
    await store.settle(first.claim, COMPLETED, trace);
    expect(await store.rejected(asked.operationId)).toMatchObject([
      { attemptedState: 'completed', attemptedAttempt: 1, storedAttempt: 2, count: 2, evidence: '{"v":1}' },
    ]);
  });
});

describe('an atomic operation', () => {
  test('commits effect, record and history in one transaction', async () => {
    const store = db.store();
    const asked = atomicRequest();
    const result = await store.atomically(asked, async (tx) => {
      await db.effect(tx, 'paid');
      return keep('value');
    });
    expect(result).toMatchObject({ kind: 'settled', value: 'value', attempt: 1 });
    expect(await db.effects()).toContain('paid');
    const found = await store.lookup(asked);
    expect(found?.record).toMatchObject({ state: 'completed', version: 1 });
    const xmins = await db.sql(
      `SELECT xmin::text FROM {s}.operation WHERE operation_id = $1
       UNION SELECT xmin::text FROM {s}.transition WHERE operation_id = $1
       UNION SELECT xmin::text FROM {s}.effect WHERE note = 'paid'`,
      [asked.operationId],
    );
    expect(xmins).toHaveLength(1);
    const replay = await store.atomically({ ...asked, owner: 'other' }, async () => keep('again'));
    expect(replay).toMatchObject({ kind: 'existing', record: { owner: asked.owner } });
  });

  test('keeps a refusal and discards the effects, also right after an SQL error', async () => {
    const store = db.store();
    const asked = atomicRequest();
    const result = await store.atomically(asked, async (tx) => {
      await db.effect(tx, 'discarded');
      await expect(tx.query('SELECT 1 / 0')).rejects.toThrow('division by zero');
      return { settlement: FAILED, effects: 'discard', value: undefined };
    });
    expect(result.kind).toBe('settled');
    expect(await db.effects()).not.toContain('discarded');
    expect((await store.lookup(asked))?.record.state).toBe('failed');
  });
});

test('a transaction of a leased operation commits its effect with the settlement', async () => {
  const store = db.store();
  const asked = request();
  const claimed = await store.claim(asked);
  if (!claimed.won) throw new Error('lost');
  const step = { name: 'debit', kind: 'transaction', fingerprint: '', result: '1', attempt: 1 } as const;
  const first = await store.transact(
    claimed.claim,
    async (tx) => {
      await db.effect(tx, 'debited');
      return { kind: 'step', step, value: 1 };
    },
    { timeoutMs: 15_000, trace },
  );
  expect(first).toEqual({ kind: 'committed', value: 1 });
  const last = await store.transact(
    claimed.claim,
    async (tx) => {
      await db.effect(tx, 'credited');
      return { kind: 'settle', settlement: COMPLETED, value: 2 };
    },
    { timeoutMs: 15_000, trace },
  );
  expect(last).toMatchObject({ kind: 'committed', value: 2, expiresAt: expect.any(Number) });
  expect(await db.effects()).toEqual(expect.arrayContaining(['debited', 'credited']));
});
