import { once } from 'node:events';
import {
  atomicRequest,
  createFixture,
  databaseUrl,
  type Fixture,
  keep,
  random,
  request,
} from '@semel/store-postgres/testing/fixture';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { call, semelOn } from './attack.ts';

let db: Fixture;
beforeAll(async () => {
  db = await createFixture('issue3');
});
afterAll(() => db.close());

const notes = async (prefix: string) => (await db.effects()).filter((note) => note.startsWith(prefix));

test.each(['COMMIT', 'COMMIT; BEGIN', 'ROLLBACK'])(
  'a handler that sends %s and writes before it refuses is found out: its refusal is not stored as one that left nothing',
  async (sql) => {
    const { engine } = semelOn(db.store());
    const asked = call({ mode: 'atomic' }, { key: random() });
    const run = () =>
      engine.run(asked, async (operation) => {
        if (sql !== 'ROLLBACK') await db.effect(operation.tx, asked.key);
        await operation.tx.query(sql);
        if (sql === 'ROLLBACK') await db.effect(operation.tx, asked.key);
        throw operation.refuse(new Error('the card was declined'));
      });
    const first = await run();
    expect(first).toMatchObject({
      kind: 'failed',
      thrown: { name: 'TransactionEndedByHandler' },
    });
    expect(await run()).toMatchObject({ kind: 'failed', replayed: true });
    expect(await notes(asked.key)).toHaveLength(1);
  },
);

test.each(['COMMIT', 'COMMIT; DEALLOCATE ALL', 'COMMIT; SELECT pg_terminate_backend(pg_backend_pid())'])(
  'a handler that sends %s by itself and then throws is not run again',
  async (sql) => {
    const { engine } = semelOn(db.store({ handlerConnections: 1 }));
    // What ends a transaction is prepared on that connection.
    await engine
      .run(call({ mode: 'atomic' }, { key: random() }), () => Promise.reject(new Error('before')))
      .catch(() => {});
    const asked = call({ mode: 'atomic' }, { key: random() });
    let runs = 0;
    const run = () =>
      engine.run(asked, async (operation) => {
        runs++;
        await db.effect(operation.tx, asked.key);
        await operation.tx.query(sql);
        throw new Error('lost its nerve');
      });
    const first = await run().catch((error: unknown) => error);
    expect(first).toMatchObject({ kind: 'failed' });
    expect(await run()).toMatchObject({ kind: 'failed', replayed: true });
    expect(runs).toBe(1);
    expect(await notes(asked.key)).toHaveLength(1);
  },
);

/** Ways to go on after one's own ROLLBACK before its answer has come. */
const onwards: Record<
  string,
  (query: (sql: string) => Promise<unknown>, insert: string) => Promise<unknown>
> = {
  'in the same query': (query, insert) => query(`ROLLBACK; ${insert}`),
  'in a transaction of its own': (query, insert) => query(`ROLLBACK; BEGIN; ${insert}; COMMIT`),
  'with a query right behind it': (query, insert) => Promise.all([query('ROLLBACK'), query(insert)]),
  'with a transaction right behind it': (query, insert) =>
    Promise.all(['ROLLBACK', 'BEGIN', insert, 'COMMIT'].map(query)),
};

describe.each(Object.entries(onwards))('a handler that rolls back by itself and goes on %s', (_, goOn) => {
  // One for all: each has connections of its own.
  let store: ReturnType<Fixture['store']>;
  beforeAll(() => {
    store = db.store();
  });
  afterAll(() => store.close());

  test.each([
    ['atomic', 'throws'],
    ['atomic', 'refuses'],
    ['leased', 'throws'],
    ['leased', 'refuses'],
  ] as const)('%s, and then %s, is not run again', async (mode, how) => {
    const { engine } = semelOn(store);
    const asked = call({ mode }, { key: random() });
    const insert = `INSERT INTO ${db.schema}.effect (note) VALUES ('${asked.key}')`;
    let runs = 0;
    const run = () =>
      engine.run(asked, (operation) => {
        const body = async (tx: pg.ClientBase) => {
          runs++;
          await goOn((sql) => tx.query(sql), insert);
          throw how === 'throws' ? new Error('lost its nerve') : operation.refuse(new Error('no'));
        };
        return mode === 'atomic' ? body(operation.tx) : operation.settle(body);
      });
    for (let tries = 0; tries < 3; tries++) await run().catch(() => undefined);
    expect([runs, await notes(asked.key)]).toEqual([1, [asked.key]]);
    const stored = (await store.lookup(asked))?.record.state;
    expect(stored).toBe(mode === 'atomic' ? 'failed' : 'suspended');
  });
});

test('a handler that only rolls back by itself, and throws, may be run again', async () => {
  const store = db.store();
  const { engine } = semelOn(store);
  const asked = call({ mode: 'atomic' }, { key: random() });
  const failing = engine.run(asked, async (operation) => {
    await db.effect(operation.tx, asked.key);
    await operation.tx.query('ROLLBACK');
    throw new Error('not now');
  });
  await expect(failing).rejects.toThrow('not now');
  const again = await engine.run(asked, (operation) => db.effect(operation.tx, asked.key));
  expect(again).toMatchObject({ kind: 'completed', replayed: false });
  expect(await notes(asked.key)).toHaveLength(1);
  await store.close();
});

test.each(['COMMIT; BEGIN', 'COMMIT AND CHAIN'])(
  'a handler that works in pieces, with %s between them, is not run again when a later piece fails',
  async (sql) => {
    const { engine } = semelOn(db.store());
    const asked = call({ mode: 'atomic' }, { key: random() });
    const run = () =>
      engine.run(asked, async (operation) => {
        await db.effect(operation.tx, asked.key);
        await operation.tx.query(sql);
        await operation.tx.query('SELECT 1 / 0');
      });
    expect(await run().catch((error: unknown) => error)).toMatchObject({ kind: 'failed' });
    expect(await run()).toMatchObject({ kind: 'failed', replayed: true });
    expect(await notes(asked.key)).toHaveLength(1);
  },
);

test('a handler that rolls back by itself and then throws has left nothing, and runs again', async () => {
  const { engine } = semelOn(db.store());
  const asked = call({ mode: 'atomic' }, { key: random() });
  let runs = 0;
  const run = () =>
    engine.run(asked, async (operation) => {
      await db.effect(operation.tx, asked.key);
      if (++runs > 1) return runs;
      await operation.tx.query('ROLLBACK');
      throw new Error('the library rolled back');
    });
  await expect(run()).rejects.toThrow('the library rolled back');
  expect(await run()).toMatchObject({ kind: 'completed', value: 2 });
  expect(await notes(asked.key)).toHaveLength(1);
});

test('a thrown error costs its connection nothing', async () => {
  const store = db.store({ handlerConnections: 1 });
  const pids = new Set<unknown>();
  for (let i = 0; i < 12; i++) {
    const call = store.atomically(atomicRequest(), async (tx) => {
      pids.add((await tx.query('SELECT pg_backend_pid() AS pid')).rows[0].pid);
      throw new Error('not now');
    });
    await expect(call).rejects.toThrow('not now');
  }
  expect(pids.size).toBe(1);
});

test('a settling transaction that commits by itself and then throws is not run again', async () => {
  const { engine } = semelOn(db.store());
  const asked = call({ mode: 'leased', effects: 'steps' }, { key: random() });
  let runs = 0;
  const run = () =>
    engine.run(asked, async (operation) =>
      operation.settle(async (tx) => {
        runs++;
        await db.effect(tx, asked.key);
        await tx.query('COMMIT');
        throw new Error('lost its nerve');
      }),
    );
  const first = await run().catch((error: unknown) => error);
  expect(first).toMatchObject({ kind: 'refused', problem: { code: 'outcome_unknown' } });
  expect(await run()).toMatchObject({ kind: 'refused', problem: { code: 'outcome_unknown' } });
  expect(runs).toBe(1);
});

test.each(['repeatable read', 'serializable'])(
  'on a server whose default isolation is %s, writers that meet on one row are all carried out',
  async (isolation) => {
    const url = new URL(databaseUrl);
    url.searchParams.set('options', `-c default_transaction_isolation=${isolation.replace(' ', '\\ ')}`);
    const store = db.store({ connection: url.href });
    const claims = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const won = await store.claim(request());
        if (!won.won) throw new Error('lost');
        return won.claim;
      }),
    );
    const ids = claims.map(({ operationId }) => operationId);
    const rival = await db.pool.connect();
    await rival.query('BEGIN');
    await rival.query(
      `UPDATE ${db.schema}.operation SET lease_until = lease_until WHERE operation_id = ANY ($1)`,
      [ids],
    );
    const settled = Promise.allSettled(
      claims.map((claim) =>
        store.settle(claim, { to: 'completed', cause: 'succeeded', outcome: '{"v":1}' }, { actor: 'a' }),
      ),
    );
    const waits = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%${db.schema}%'`;
    await expect.poll(() => db.sql(waits), { timeout: 20_000 }).not.toEqual([]);
    await rival.query('COMMIT');
    rival.release();
    expect(
      (await settled).map((each) => (each.status === 'fulfilled' ? each.value.kind : String(each.reason))),
    ).toEqual(claims.map(() => 'settled'));
  },
);

test('a look-up whose prepared statement went stale is prepared anew, and nobody hears of it', async () => {
  const own = await createFixture('issue3_stale');
  const store = own.store({ lookupConnections: 1, controlConnections: 1, handlerConnections: 1 });
  const asked = request();
  const won = await store.claim(asked);
  if (!won.won) throw new Error('lost');
  expect(await store.lookup(asked)).toMatchObject({ record: { state: 'processing' } });
  expect(await store.atomically(atomicRequest(), async () => keep(1))).toMatchObject({ kind: 'settled' });
  await own.sql('ALTER TABLE {s}.operation ALTER COLUMN outcome TYPE varchar');
  expect(await store.lookup(asked)).toMatchObject({ record: { state: 'processing' } });
  expect(await store.lookup(asked)).toMatchObject({ record: { state: 'processing' } });
  await own.close();
});

test('handlers that never end do not use up the connections of those after them', async () => {
  const store = db.store({ handlerConnections: 1 });
  const stuck = store
    .atomically(atomicRequest({ timeoutMs: 50 }), async (tx) => {
      await once(tx, 'error');
      return new Promise<never>(() => {});
    })
    .catch((error: unknown) => error);
  void stuck;
  await expect
    .poll(() => store.atomically(atomicRequest(), async () => keep('next')).catch(() => undefined), {
      timeout: 20_000,
    })
    .toMatchObject({ value: 'next' });
  expect(await stuck).toBeInstanceOf(Error);
}, 30_000);

test('principals that no database can tell apart do not get each other’s answers', async () => {
  const { run } = semelOn(db.store());
  const key = random();
  const ask = (scope: string) =>
    run({ scope, name: 'diagnose', key, input: 1, mode: 'atomic' }, async () => `of ${escape(scope)}`).catch(
      (error: unknown) => error,
    );
  // JSON carries lone surrogates, and so do tokens made of it; in UTF-8 they are all one replacement character.
  const answers = await Promise.all(['a\ud800', 'a\ud801', 'a\ufffd'].map(ask));
  expect(answers.filter((answer) => answer instanceof TypeError)).toHaveLength(2);
  expect(answers[2]).toMatchObject({ kind: 'completed', value: 'of a%uFFFD', replayed: false });
});
