import { randomBytes } from 'node:crypto';
import { StoreUnavailable } from '@semel/server/store';
import { createTcpProxy, loseAnswerAfter } from '@semel/testing/faults';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { applyMigrations, MIGRATIONS } from './migrations/migrate.ts';
import { createPostgresStore } from './store.ts';
import { atomicRequest, createFixture, databaseUrl, type Fixture, keep, request } from './testing/fixture.ts';

let db: Fixture;
beforeAll(async () => {
  db = await createFixture('connections');
});
afterAll(() => db.close());

const trace = { actor: 'request' };
const HOUR = 3_600_000;

test('handlers that hold every connection for three leases cause no takeover', async () => {
  const store = db.store({ handlerConnections: 2 });
  const rival = db.store();
  const base = request();
  const asked = { ...base, policy: { ...base.policy, leaseMs: HOUR, onCrash: 'resume' as const } };
  const won = await store.claim(asked);
  if (!won.won) throw new Error('lost');
  let finish = () => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const handlers = [1, 2].map(() =>
    store.atomically(atomicRequest(), async () => {
      await finished;
      return keep('value');
    }),
  );
  let takeovers = 0;
  for (let round = 0; round < 5; round++) {
    await db.travel(0.7 * HOUR); // five times: three and a half leases
    expect(await store.renew([won.claim])).toMatchObject([{ renewed: true }]);
    const seen = await rival.claim({ ...asked, owner: 'rival' });
    if (seen.won) throw new Error('won');
    const taken = await rival.take({ ...asked, owner: 'rival' }, seen.record, 'overtaken');
    if (taken.won) takeovers++;
  }
  expect(takeovers).toBe(0);
  const step = { name: 'a', kind: 'step', fingerprint: '', result: '1', attempt: 1 } as const;
  expect(await store.recordStep(won.claim, step, trace)).toEqual({ kind: 'recorded' });
  expect(await store.settle(won.claim, { to: 'released', cause: 'released' }, trace)).toMatchObject({
    kind: 'settled',
  });
  finish();
  expect(await Promise.all(handlers)).toMatchObject([{ kind: 'settled' }, { kind: 'settled' }]);
});

test('a handler that gets no connection in time is told that the store is unavailable, and nothing ran', async () => {
  const connection = { connectionString: databaseUrl, connectionTimeoutMillis: 3_000 };
  const store = db.store({ handlerConnections: 1, connection });
  await store.atomically(atomicRequest(), async () => {
    let ran = false;
    const second = store.atomically(atomicRequest(), async () => {
      ran = true;
      return keep('value');
    });
    await expect(second).rejects.toBeInstanceOf(StoreUnavailable);
    expect(ran).toBe(false);
    return keep('first');
  });
});

test('connections that died while idle are replaced without anybody noticing', async () => {
  const applicationName = `semel_idle_${process.pid}`;
  const connection = { connectionString: databaseUrl, application_name: applicationName };
  const store = db.store({ connection });
  const asked = request();
  const use = async () => {
    await store.lookup(asked);
    await store.claim(request());
    await store.atomically(atomicRequest(), async () => keep('value'));
  };
  await use();
  await db.sql('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [
    applicationName,
  ]);
  await use();
});

test('a server that can not be reached is StoreUnavailable with the cause, whatever is asked', async () => {
  const store = createPostgresStore({ connection: 'postgres://postgres@127.0.0.1:1/postgres' });
  const asked = request();
  for (const call of [
    () => store.ping(),
    () => store.lookup(asked),
    () => store.claim(asked),
    () => store.atomically(atomicRequest(), async () => keep('value')),
    () => store.sweepOrphans({ limit: 1, trace }),
  ]) {
    const error: unknown = await call().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StoreUnavailable);
    expect(error).toMatchObject({
      message: expect.stringMatching(/^store_unavailable: /),
      cause: expect.any(Error),
    });
  }
  await store.close();
});

test('a schema that was never migrated is called by its name', async () => {
  const store = createPostgresStore({ connection: databaseUrl, schema: 'semel_not_there' });
  await expect(store.lookup(request())).rejects.toThrow('call migratePostgres()');
  await expect(store.claim(request())).rejects.toThrow('call migratePostgres()');
  await expect(store.atomically(atomicRequest(), async () => keep(1))).rejects.toThrow(
    'call migratePostgres()',
  );
  await store.close();
});

test('a schema of the version before is called old by what needs the new one, and the rest goes on', async () => {
  const schema = `semel_old_${randomBytes(4).toString('hex')}`;
  await applyMigrations({ connection: databaseUrl, schema }, MIGRATIONS.slice(0, -1));
  const store = createPostgresStore({ connection: databaseUrl, schema });
  const claimed = await store.claim(request());
  if (!claimed.won) throw new Error('a new key is won');
  const suspended = { to: 'suspended', cause: 'outcome_unknown' } as const;
  await expect(store.settle(claimed.claim, { ...suspended, lastError: 'x' }, trace)).rejects.toThrow(
    'missing or old: call migratePostgres()',
  );
  expect(await store.settle(claimed.claim, suspended, trace)).toEqual({ kind: 'settled' });
  await store.close();
  await db.pool.query(`DROP SCHEMA ${schema} CASCADE`);
});

test('an answer that does not come ends the connection instead of being waited for', async () => {
  const connection = { connectionString: databaseUrl, query_timeout: 200 };
  const store = db.store({ connection });
  const asked = request();
  await db.store().claim(asked);
  const client = await db.pool.connect();
  await client.query('BEGIN');
  await client.query(`SELECT FROM ${db.schema}.operation WHERE operation_id = $1 FOR UPDATE`, [
    asked.operationId,
  ]);
  const claim = { ...asked, attempt: 1, createdAt: 0, firstClaimedAt: 0, now: 0 };
  await expect(store.settle(claim, { to: 'released', cause: 'released' }, trace)).rejects.toBeInstanceOf(
    StoreUnavailable,
  );
  await client.query('ROLLBACK');
  client.release();
});

test('closing twice is closing once', async () => {
  const store = createPostgresStore({ connection: databaseUrl, schema: db.schema });
  await store.ping();
  await Promise.all([store.close(), store.close()]);
  await expect(store.ping()).rejects.toBeInstanceOf(StoreUnavailable);
});

test('a look-up whose connection breaks while the store is closed is told so, and opens no other', async () => {
  const { hostname, port } = new URL(databaseUrl);
  const proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } });
  try {
    const connection = proxy.url(databaseUrl);
    const store = createPostgresStore({ connection, schema: db.schema, lookupConnections: 1 });
    await store.ping();
    const asked = request();
    const lost = loseAnswerAfter(asked.key);
    proxy.setFaults({ onData: lost.onData });
    const asking = store.lookup(asked);
    const broken = await lost.swallowed;
    const closing = store.close();
    broken.reset();
    await expect(asking).rejects.toBeInstanceOf(StoreUnavailable);
    await closing;
    await expect.poll(() => proxy.connections, { timeout: 20_000 }).toEqual([]);
  } finally {
    await proxy.close();
  }
});
