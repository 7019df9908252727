import { once } from 'node:events';
import {
  atomicRequest,
  createFixture,
  databaseUrl,
  type Fixture,
  keep,
  random,
} from '@semel/store-postgres/testing/fixture';
import pg from 'pg';
import superjson from 'superjson';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { boundedFetch } from '../fixtures/bounded-fetch.ts';
import { post, startTrpcServer } from '../fixtures/trpc-server.ts';
import { call, semelOn } from './attack.ts';

let db: Fixture;
beforeAll(async () => {
  db = await createFixture('attack_more');
});
afterAll(() => db.close());

const notes = async (prefix: string) => (await db.effects()).filter((note) => note.startsWith(prefix));

test.each(['read committed', 'repeatable read', 'serializable'] as const)(
  'many callers of one key on three servers act once, %s',
  async (isolation) => {
    const servers = [db.store(), db.store(), db.store()].map((store) => semelOn(store).engine);
    const prefix = random();
    for (let round = 0; round < 40; round++) {
      const request = call(
        { mode: 'atomic', isolation, inFlight: { waitMs: 20_000 } },
        { key: `${prefix}-${round}` },
      );
      const results = await Promise.all(
        Array.from({ length: 9 }, (_, i) =>
          (servers[i % 3] as (typeof servers)[number]).run(
            { ...request, ageMs: i % 2 === 0 ? undefined : 2_000 },
            async (operation) => {
              await db.effect(operation.tx, request.key);
              return request.key;
            },
          ),
        ),
      );
      expect(new Set(results.map((result) => result.kind))).toEqual(new Set(['completed']));
    }
    expect((await notes(prefix)).length).toBe(40);
  },
);

test('a handler that outlives its time limit is not run again', async () => {
  const store = db.store();
  let runs = 0;
  const asked = atomicRequest({ timeoutMs: 50 });
  const ended = await store
    .atomically(asked, async (tx) => {
      runs++;
      await once(tx, 'error'); // the server ends the connection
      return keep(1);
    })
    .catch((error: unknown) => error);
  expect(ended).toBeInstanceOf(Error);
  expect(runs).toBe(1);
  expect(await store.lookup(asked)).toBeUndefined();
});

test('a status question that no record can answer says so without naming the database', async () => {
  const app = await startTrpcServer(db.store(), {});
  try {
    for (const input of [
      { operationId: 'a\u0000b' },
      { procedure: 'a\u0000b', key: 'k' },
      { procedure: 'atomic', key: 'a\u0000b' },
    ]) {
      const query = encodeURIComponent(JSON.stringify(superjson.serialize(input)));
      const response = await boundedFetch(`${app.url}/idempotency.status?input=${query}`, {
        headers: { authorization: 'Bearer alice' },
      });
      const text = await response.text();
      expect(text).not.toMatch(/UTF8|encoding|byte sequence/);
      expect(response.status).toBe(400);
    }
  } finally {
    await app.close();
  }
});

test('an error of the store itself reaches callers without its SQL', async () => {
  const role = `r_${random()}`;
  await db.sql(`CREATE ROLE ${role} LOGIN`);
  await db.sql(`GRANT USAGE ON SCHEMA {s} TO ${role}`);
  const url = new URL(databaseUrl);
  url.username = role;
  url.password = '';
  const store = db.store({ connection: url.toString() });
  const app = await startTrpcServer(store, { atomic: () => 1, leased: () => 1 });
  try {
    for (const path of ['atomic', 'leased']) {
      const { status, body } = await post(app.url, path, {}, { 'idempotency-key': random() });
      expect(status).toBe(500);
      expect(JSON.stringify(body)).not.toMatch(/permission denied|operation"|table/);
    }
  } finally {
    await app.close();
    await store.close();
    await db.sql(`DROP OWNED BY ${role}`);
    await db.sql(`DROP ROLE ${role}`);
  }
});

test('a handler may lower or lift the limits of its transaction, and it is still one commit', async () => {
  const store = db.store({ handlerConnections: 1 });
  for (const sql of [
    'SET LOCAL statement_timeout = 0',
    'SET LOCAL idle_in_transaction_session_timeout = 0',
    'SET LOCAL lock_timeout = 1',
    'SET search_path TO pg_temp',
    'SET SESSION statement_timeout = 1000',
    'SAVEPOINT mine',
    'RESET ALL',
  ]) {
    const note = random();
    const asked = atomicRequest();
    await store.atomically(asked, async (tx) => {
      await tx.query(sql);
      await db.effect(tx, note);
      return keep(sql);
    });
    expect([sql, (await notes(note)).length]).toEqual([sql, 1]);
    expect((await store.lookup(asked))?.record.state).toBe('completed');
  }
});

test('a handler that prepared its transaction for later leaves no record that says it is done', async () => {
  const rival = new pg.Client(databaseUrl);
  await rival.connect();
  const [row] = (await rival.query('SHOW max_prepared_transactions')).rows;
  await rival.end();
  const store = db.store();
  const asked = atomicRequest();
  const ended = await store
    .atomically(asked, async (tx) => {
      await tx.query(`PREPARE TRANSACTION 'later_${random()}'`).catch(() => {});
      return keep(1);
    })
    .catch((error: unknown) => error);
  expect(ended).toBeInstanceOf(Error);
  expect(row).toBeDefined();
  expect(await store.lookup(asked)).toBeUndefined();
});
