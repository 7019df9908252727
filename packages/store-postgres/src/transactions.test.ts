import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  atomicRequest,
  COMPLETED,
  createFixture,
  databaseUrl,
  FAILED,
  type Fixture,
  keep,
  random,
  request,
} from './testing/fixture.ts';

let db: Fixture;
beforeAll(async () => {
  db = await createFixture('transactions');
  await db.sql(`CREATE TABLE {s}.parent (id int PRIMARY KEY)`);
  await db.sql(
    `CREATE TABLE {s}.child (parent int REFERENCES {s}.parent DEFERRABLE INITIALLY DEFERRED, note text NOT NULL)`,
  );
});
afterAll(() => db.close());

test('a deferred constraint that fails at the end leaves neither effect nor record', async () => {
  const store = db.store();
  const asked = atomicRequest();
  const call = store.atomically(asked, async (tx) => {
    await tx.query(`INSERT INTO ${db.schema}.child VALUES (7, 'orphan')`);
    return keep('value');
  });
  await expect(call).rejects.toMatchObject({ code: '23503' });
  expect(await store.lookup(asked)).toBeUndefined();
  expect(await db.sql('SELECT * FROM {s}.child')).toEqual([]);
});

test('a refusal is stored though the discarded effects broke a deferred constraint', async () => {
  const store = db.store();
  const asked = atomicRequest();
  const result = await store.atomically(asked, async (tx) => {
    await tx.query(`INSERT INTO ${db.schema}.child VALUES (7, 'orphan')`);
    return { settlement: FAILED, effects: 'discard', value: 1 };
  });
  expect(result).toMatchObject({ kind: 'settled' });
  expect(await db.sql('SELECT * FROM {s}.child')).toEqual([]);
});

test('whoever comes between a refusal and its record is let through, and the refused call leaves nothing', async () => {
  const store = db.store();
  const asked = atomicRequest();
  const note = random();
  const other = new pg.Client(databaseUrl);
  await other.connect();
  const [{ pid }] = (await other.query('SELECT pg_backend_pid() AS pid')).rows;
  let comes: Promise<unknown> = Promise.resolve();
  const result = await store.atomically(asked, async (tx) => {
    await db.effect(tx, note);
    const { rows } = await tx.query(
      `SELECT (classid::bigint << 32) | objid::bigint AS lock FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()`,
    );
    await other.query('BEGIN');
    comes = other.query('SELECT pg_advisory_xact_lock($1)', [rows[0].lock]);
    const waits = 'SELECT 1 FROM pg_locks WHERE NOT granted AND pid = $1';
    await expect.poll(() => db.sql(waits, [pid]), { timeout: 20_000 }).toHaveLength(1);
    return { settlement: FAILED, effects: 'discard', value: 1 };
  });
  await comes;
  expect(result).toEqual({ kind: 'held' });
  expect(await store.lookup(asked)).toBeUndefined();
  await other.end();
  const again = await store.atomically(asked, async () => ({
    settlement: FAILED,
    effects: 'discard',
    value: 2,
  }));
  expect(again).toMatchObject({ kind: 'settled', value: 2 });
  expect(await db.sql(`SELECT * FROM {s}.effect WHERE note = '${note}'`)).toEqual([]);
});

test('a serialization failure runs the whole transaction again', async () => {
  const store = db.store();
  const asked = atomicRequest({ isolation: 'serializable' });
  const note = random();
  const rival = new pg.Client(databaseUrl);
  await rival.connect();
  let runs = 0;
  const result = await store.atomically(asked, async (tx) => {
    runs++;
    await tx.query(`SELECT count(*) FROM ${db.schema}.effect`);
    await db.effect(tx, note);
    if (runs === 1) {
      await rival.query('BEGIN ISOLATION LEVEL SERIALIZABLE');
      await rival.query(`SELECT count(*) FROM ${db.schema}.effect`);
      await db.effect(rival, 'rival');
      await rival.query('COMMIT');
    }
    return keep(runs);
  });
  await rival.end();
  expect(result).toMatchObject({ kind: 'settled', value: 2 });
  expect((await db.effects()).filter((each) => each === note)).toHaveLength(1);
});

test('a deadlock that a library wrapped runs again, three times at most', async () => {
  const store = db.store();
  let runs = 0;
  const deadlock = Object.assign(new Error('deadlock detected'), { code: '40P01', severity: 'ERROR' });
  const call = store.atomically(atomicRequest(), async () => {
    runs++;
    throw new Error('query failed', { cause: deadlock });
  });
  await expect(call).rejects.toThrow('query failed');
  expect(runs).toBe(4);
});

test.each(['COMMIT', 'ROLLBACK', 'COMMIT; BEGIN', 'ROLLBACK; BEGIN'])(
  'a handler that sends %s itself is found out, and the connection is usable afterwards',
  async (sql) => {
    const store = db.store({ handlerConnections: 1 });
    const asked = atomicRequest();
    const call = store.atomically(asked, async (tx) => {
      await tx.query(sql);
      return keep('value');
    });
    await expect(call).rejects.toThrow('The handler ended the transaction itself');
    expect(await store.lookup(asked)).toBeUndefined();
    expect(await store.atomically(asked, async () => keep('next'))).toMatchObject({ value: 'next' });
    const leased = await store.claim(request());
    if (!leased.won) throw new Error('lost');
    const settle = store.transact(
      leased.claim,
      async (tx) => {
        await tx.query(sql);
        return { kind: 'settle', settlement: COMPLETED, value: 1 };
      },
      { timeoutMs: 5_000, trace: { actor: 'request' } },
    );
    await expect(settle).rejects.toThrow('The handler ended the transaction itself');
    expect((await store.lookup(leased.claim))?.record.state).toBe('processing');
  },
);

test('what a nested body wrote before it threw is undone, and the rest of the transaction goes on', async () => {
  const store = db.store();
  const [outer, inner, kept] = [random(), random(), random()];
  const result = await store.atomically(atomicRequest(), async (tx) => {
    await db.effect(tx, outer);
    const nested = store.savepoint(tx, async () => {
      await db.effect(tx, inner);
      await tx.query('SELECT 1 / 0');
    });
    await expect(nested).rejects.toThrow('division by zero');
    await store.savepoint(tx, () => db.effect(tx, kept));
    return keep('value');
  });
  expect(result).toMatchObject({ kind: 'settled' });
  const effects = await db.effects();
  expect([outer, inner, kept].map((note) => effects.includes(note))).toEqual([true, false, true]);
});

test('a nested body that swallowed an SQL error does not pass for done', async () => {
  const store = db.store();
  const note = random();
  await store.atomically(atomicRequest(), async (tx) => {
    const nested = store.savepoint(tx, async () => {
      await db.effect(tx, note);
      await tx.query('SELECT 1 / 0').catch(() => {});
    });
    await expect(nested).rejects.toMatchObject({ code: '25P02' });
    return keep('value');
  });
  expect(await db.effects()).not.toContain(note);
});

test('a query that comes after its handler returned is refused', async () => {
  const store = db.store({ handlerConnections: 1 });
  let late: pg.ClientBase | undefined;
  await store.atomically(atomicRequest(), async (tx) => {
    late = tx;
    return keep('value');
  });
  const note = random();
  if (late === undefined) throw new Error('no transaction');
  await expect(db.effect(late, note)).rejects.toThrow('The transaction is over');
  expect(await db.effects()).not.toContain(note);
});

test('a handler can not release or end the connection', async () => {
  const store = db.store();
  const call = store.atomically(atomicRequest(), async (tx) => {
    (tx as pg.PoolClient).release();
    return keep('value');
  });
  await expect(call).rejects.toThrow('The connection belongs to the store');
});

test('a statement that runs longer than the limit is ended by the server, and nothing remains', async () => {
  const store = db.store();
  const asked = atomicRequest({ timeoutMs: 500 });
  const call = store.atomically(asked, async (tx) => {
    await tx.query('SELECT pg_sleep(20)');
    return keep('value');
  });
  await expect(call).rejects.toMatchObject({ code: '57014' });
  expect(await store.lookup(asked)).toBeUndefined();
});

test('a transaction that idles longer than the limit is ended by the server, and runs no more', async () => {
  const store = db.store();
  const asked = atomicRequest({ timeoutMs: 50 });
  let ended: unknown;
  const call = store.atomically(asked, async (tx) => {
    await new Promise((resolve) => tx.once('error', resolve));
    ended = await tx.query('SELECT 1').catch((error: unknown) => error);
    throw ended;
  });
  const thrown: unknown = await call.catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(Error);
  expect(thrown).toBe(ended);
  expect(await store.lookup(asked)).toBeUndefined();
});

test('no transaction is left open by any of these', async () => {
  await expect
    .poll(
      () =>
        db.sql(`SELECT query FROM pg_stat_activity WHERE query LIKE '%{s}%' AND state LIKE 'idle in trans%'`),
      { timeout: 20_000 },
    )
    .toEqual([]);
});
