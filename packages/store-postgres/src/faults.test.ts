import type { Claim } from '@semel/server/store';
import { loseAnswerAfter } from '@semel/testing/faults';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { statementsFor } from './statements/all.ts';
import {
  atomicRequest,
  COMPLETED,
  createFixture,
  databaseUrl,
  type Fixture,
  keep,
  random,
  request,
} from './testing/fixture.ts';
import { lossyPath } from './testing/lossy-path.ts';

// COMMIT's answer gets lost, on a real network path to a real server.

const options = { timeoutMs: 15_000, trace: { actor: 'request' } };
let db: Fixture;
beforeAll(async () => {
  db = await createFixture('faults');
});
afterAll(() => db.close());
const path = lossyPath(() => db);

async function claimed(): Promise<Claim> {
  const result = await db.store().claim(request());
  if (!result.won) throw new Error('lost');
  return result.claim;
}

function isCompleted(operationId: string): () => Promise<boolean> {
  const reader = db.store();
  return async () => (await reader.find(operationId))?.record.state === 'completed';
}

test('an atomic call whose COMMIT was done and not answered is answered as settled, and runs once', async () => {
  const asked = atomicRequest();
  const note = random();
  const store = path.store();
  const lost = path.loseAnswer(isCompleted(asked.operationId));
  let runs = 0;
  const result = await store.atomically(asked, async (tx) => {
    runs++;
    await db.effect(tx, note);
    return keep('value');
  });
  await lost;
  const record = (await store.lookup(asked))?.record;
  expect(result).toEqual({
    kind: 'settled',
    value: 'value',
    operationId: asked.operationId,
    attempt: 1,
    expiresAt: record?.expiresAt,
  });
  expect(runs).toBe(1);
  expect((await db.effects()).filter((each) => each === note)).toHaveLength(1);
});

test('an atomic call whose COMMIT never arrived runs again, and its effect is there once', async () => {
  const asked = atomicRequest();
  const note = random();
  const store = path.store();
  path.loseLastFlight();
  let runs = 0;
  const result = await store.atomically(asked, async (tx) => {
    runs++;
    await db.effect(tx, note);
    return keep(runs);
  });
  expect(result).toMatchObject({ kind: 'settled', value: 2 });
  expect((await db.effects()).filter((each) => each === note)).toHaveLength(1);
  expect(await store.history(asked.operationId)).toHaveLength(1);
});

test('an atomic call that can not find out what became of its COMMIT says so', async () => {
  const store = path.store();
  const refused: Promise<void>[] = [];
  path.loseLastFlight(() => refused.push(path.proxy.refuse()));
  const result = await store.atomically(atomicRequest(), async () => keep('value'));
  await Promise.all(refused);
  expect(result).toMatchObject({ kind: 'unknown', cause: expect.any(Error) });
});

test('a settling transaction whose COMMIT was done and not answered is committed', async () => {
  const claim = await claimed();
  const note = random();
  const store = path.store();
  const lost = path.loseAnswer(isCompleted(claim.operationId));
  const result = await store.transact(
    claim,
    async (tx) => {
      await db.effect(tx, note);
      return { kind: 'settle', settlement: COMPLETED, value: 'value' };
    },
    options,
  );
  await lost;
  const record = (await store.lookup(claim))?.record;
  expect(record?.state).toBe('completed');
  expect(result).toEqual({ kind: 'committed', value: 'value', expiresAt: record?.expiresAt });
  expect(await db.effects()).toContain(note);
});

test('a recovery point whose COMMIT was done and not answered is committed', async () => {
  const claim = await claimed();
  const store = path.store();
  const reader = db.store();
  const lost = path.loseAnswer(async () => (await reader.steps(claim.operationId)).length === 1);
  const step = { name: 'debit', kind: 'transaction', fingerprint: '', result: '1', attempt: 1 } as const;
  const result = await store.transact(claim, async () => ({ kind: 'step', step, value: 1 }), options);
  await lost;
  expect(result).toEqual({ kind: 'committed', value: 1 });
});

test('a transaction whose COMMIT never arrived is rolled back, throws, and can be tried again', async () => {
  const claim = await claimed();
  const note = random();
  const store = path.store();
  const settle = () =>
    store.transact(
      claim,
      async (tx) => {
        await db.effect(tx, note);
        return { kind: 'settle', settlement: COMPLETED, value: 'value' };
      },
      options,
    );
  path.loseLastFlight();
  await expect(settle()).rejects.toThrow();
  expect(await db.effects()).not.toContain(note);
  expect((await store.lookup(claim))?.record.state).toBe('processing');
  expect(await settle()).toMatchObject({ kind: 'committed' });
  expect((await db.effects()).filter((each) => each === note)).toHaveLength(1);
});

test('a transaction that was declared rolled back can not commit when its last flight arrives after all', async () => {
  const claim = await claimed();
  const statements = statementsFor(db.schema);
  const late = new pg.Client(databaseUrl);
  await late.connect();
  await late.query('BEGIN');
  const { text } = statements.openTransaction;
  const { rows } = await late.query({ text, rowMode: 'array' }, ['15000', claim.operationId]);
  const [, , transactionId, epoch] = rows[0] ?? [];
  const note = random();
  await late.query(`INSERT INTO ${db.schema}.effect (note) VALUES ($1)`, [note]);

  const store = path.store();
  path.loseLastFlight();
  const other = store.transact(
    claim,
    async () => ({ kind: 'settle', settlement: COMPLETED, value: 1 }),
    options,
  );
  await expect(other).rejects.toThrow();

  const values = [
    claim.operationId,
    claim.owner,
    1,
    'completed',
    'succeeded',
    '{}',
    'x',
    null,
    epoch,
    transactionId,
  ];
  const settle = late.query(statements.settleInTransaction.text, values);
  await expect(settle).rejects.toMatchObject({ code: 'SM001' });
  await late.query('COMMIT');
  await late.end();
  expect(await db.effects()).not.toContain(note);
  expect((await store.lookup(claim))?.record.state).toBe('processing');
});

test('a transaction that can not find out what became of its COMMIT says so', async () => {
  const claim = await claimed();
  const store = path.store();
  const refused: Promise<void>[] = [];
  path.loseLastFlight(() => refused.push(path.proxy.refuse()));
  const result = await store.transact(
    claim,
    async () => ({ kind: 'settle', settlement: COMPLETED, value: 1 }),
    options,
  );
  await Promise.all(refused);
  expect(result).toMatchObject({ kind: 'unknown', cause: expect.any(Error) });
});

test.each(['claim', 'settle'] as const)(
  'a lost acknowledgement of %s is asked for again and found',
  async (which) => {
    const store = path.store();
    await store.ping();
    const asked = request();
    const lost = loseAnswerAfter(which === 'claim' ? asked.operationId : 'succeeded');
    path.proxy.setFaults({ onData: lost.onData });
    const cut = lost.swallowed.then((connection) => connection.reset());
    const result = await store.claim(asked);
    expect(result).toMatchObject({ won: true, claim: { attempt: 1 } });
    if (result.won)
      expect(await store.settle(result.claim, COMPLETED, options.trace)).toMatchObject({ kind: 'settled' });
    await cut;
    expect(await store.history(asked.operationId)).toHaveLength(2);
    expect(await store.rejected(asked.operationId)).toEqual([]);
  },
);
