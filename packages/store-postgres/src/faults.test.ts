import type { Claim } from '@semel/server/store';
import { createTcpProxy, loseAnswerAfter, type TcpProxy } from '@semel/testing/faults';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
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

// COMMIT's answer gets lost, on a real network path to a real server.

const options = { timeoutMs: 15_000, trace: { actor: 'request' } };
let db: Fixture;
let proxy: TcpProxy;
beforeAll(async () => {
  db = await createFixture('faults');
});
afterAll(() => db.close());
beforeEach(async () => {
  const { hostname, port } = new URL(databaseUrl);
  proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } });
});
afterEach(() => proxy.close());

const throughProxy = () => db.store({ connection: proxy.url(databaseUrl) });

async function claimed(): Promise<Claim> {
  const result = await db.store().claim(request());
  if (!result.won) throw new Error('lost');
  return result.claim;
}

const stored = (operationId: string) =>
  vi.waitFor(async () => {
    const [row] = await db.sql(
      `SELECT 1 FROM {s}.operation WHERE operation_id = $1 AND state = 'completed'`,
      [operationId],
    );
    if (row === undefined) throw new Error('not committed yet');
  });

/** Postgres commits; the answer never arrives; the client hears that the connection is gone once the commit is visible. */
async function loseAnswer(operationId: string): Promise<void> {
  const lost = loseAnswerAfter('COMMIT');
  proxy.setFaults({ onData: lost.onData });
  const connection = await lost.swallowed;
  await stored(operationId);
  connection.reset();
}

/** The last flight never arrives; the connection breaks. Once. */
function loseLastFlight(then: () => void = () => {}): void {
  let done = false;
  proxy.setFaults({
    onData(direction, chunk) {
      if (done || direction !== 'toServer' || !chunk.includes('COMMIT')) return 'pass';
      done = true;
      then();
      return 'reset';
    },
  });
}

test('an atomic call whose COMMIT was done and not answered is answered as settled, and runs once', async () => {
  const asked = atomicRequest();
  const note = random();
  const store = throughProxy();
  const lost = loseAnswer(asked.operationId);
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
  const store = throughProxy();
  loseLastFlight();
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
  const store = throughProxy();
  const refused: Promise<void>[] = [];
  loseLastFlight(() => refused.push(proxy.refuse()));
  const result = await store.atomically(atomicRequest(), async () => keep('value'));
  await Promise.all(refused);
  expect(result).toMatchObject({ kind: 'unknown', cause: expect.any(Error) });
});

test('a settling transaction whose COMMIT was done and not answered is committed', async () => {
  const claim = await claimed();
  const note = random();
  const store = throughProxy();
  const lost = loseAnswer(claim.operationId);
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
  const store = throughProxy();
  const lost = loseAnswerAfter('COMMIT');
  proxy.setFaults({ onData: lost.onData });
  const cut = lost.swallowed.then(async (connection) => {
    await vi.waitFor(async () => expect(await db.store().steps(claim.operationId)).toHaveLength(1));
    connection.reset();
  });
  const step = { name: 'debit', kind: 'transaction', fingerprint: '', result: '1', attempt: 1 } as const;
  const result = await store.transact(claim, async () => ({ kind: 'step', step, value: 1 }), options);
  await cut;
  expect(result).toEqual({ kind: 'committed', value: 1 });
});

test('a transaction whose COMMIT never arrived is rolled back, throws, and can be tried again', async () => {
  const claim = await claimed();
  const note = random();
  const store = throughProxy();
  const settle = () =>
    store.transact(
      claim,
      async (tx) => {
        await db.effect(tx, note);
        return { kind: 'settle', settlement: COMPLETED, value: 'value' };
      },
      options,
    );
  loseLastFlight();
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

  const store = throughProxy();
  loseLastFlight();
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
  const store = throughProxy();
  const refused: Promise<void>[] = [];
  loseLastFlight(() => refused.push(proxy.refuse()));
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
    const store = throughProxy();
    await store.ping();
    const asked = request();
    const lost = loseAnswerAfter(which === 'claim' ? asked.operationId : 'succeeded');
    proxy.setFaults({ onData: lost.onData });
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
