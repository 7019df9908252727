import type { Store } from '@semel/server/store';
import { createTcpProxy, type TcpProxy } from '@semel/testing/faults';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { PgFlight } from './connections/pg-flight.ts';
import { createPostgresStore } from './store.ts';
import {
  atomicRequest,
  COMPLETED,
  createFixture,
  databaseUrl,
  enqueueRequest,
  type Fixture,
  keep,
  request,
} from './testing/fixture.ts';
import { ownDatabase } from './testing/own-database.ts';

// What an operation costs, exactly: these counts are the design, and the only figures that don't depend on a machine.

let db: Fixture;
let proxy: TcpProxy;
/** Every statement that pg was given, in order. */
const sent: string[] = [];
/** Times that bytes went to the server after it had answered, or on another connection. */
let flights = 0;

beforeAll(async () => {
  db = await createFixture('counts');
});
afterAll(() => db.close());
beforeEach(async () => {
  const { hostname, port } = new URL(databaseUrl);
  const waiting = new Set<unknown>();
  proxy = await createTcpProxy({
    target: { host: hostname, port: Number(port) },
    faults: {
      onData(direction, _chunk, connection) {
        if (direction === 'toClient') waiting.delete(connection);
        else if (!waiting.has(connection)) {
          waiting.add(connection);
          flights++;
        }
        return 'pass';
      },
    },
  });
  const query = pg.Client.prototype.query;
  vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    const [asked] = args;
    if (asked instanceof PgFlight) sent.push(...asked.queries.map(([{ text }]) => text));
    else sent.push(typeof asked === 'string' ? asked : (asked as { text: string }).text);
    return Reflect.apply(query, this, args) as unknown;
  } as never);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await proxy.close();
});

/** Connections are open and statements prepared before anything is counted. */
async function warm(): Promise<Store<pg.ClientBase>> {
  const store = db.store({
    connection: proxy.url(databaseUrl),
    handlerConnections: 1,
    controlConnections: 1,
    lookupConnections: 1,
  });
  await store.atomically(atomicRequest(), async () => keep('value'));
  const claimed = await store.claim(request());
  if (claimed.won) await store.settle(claimed.claim, COMPLETED, { actor: 'request' });
  await store.lookup(request());
  sent.length = 0;
  flights = 0;
  return store;
}

const counted = () => ({ statements: sent.map((text) => text.trimStart().split(/\s/, 1)[0]), flights });

test('an atomic first execution costs two flights besides the handler’s own', async () => {
  const store = await warm();
  await store.atomically(atomicRequest(), async () => keep('value'));
  expect(counted()).toEqual({
    statements: ['BEGIN', 'SELECT', 'INSERT', 'COMMIT'],
    flights: 2,
  });
});

test('an atomic first execution with one statement of the handler costs three flights', async () => {
  const store = await warm();
  await store.atomically(atomicRequest(), async (tx) => {
    await db.effect(tx, 'counted');
    return keep('value');
  });
  expect(counted().flights).toBe(3);
});

test('a refusal that discards its effects costs the same flights', async () => {
  const store = await warm();
  await store.atomically(atomicRequest(), async () => ({ ...keep('value'), effects: 'discard' }));
  expect(counted().flights).toBe(2);
});

test('a replay costs one SELECT', async () => {
  const store = await warm();
  const asked = atomicRequest();
  await store.atomically(asked, async () => keep('value'));
  sent.length = 0;
  flights = 0;
  expect((await store.lookup(asked))?.record.outcome).toBe('{"v":1}');
  expect(counted()).toEqual({ statements: ['SELECT'], flights: 1 });
});

test('a leased claim costs one statement, its settlement another', async () => {
  const store = await warm();
  const claimed = await store.claim(request());
  expect(counted()).toEqual({ statements: ['INSERT'], flights: 1 });
  if (claimed.won) await store.settle(claimed.claim, COMPLETED, { actor: 'request' });
  expect(counted()).toEqual({ statements: ['INSERT', 'WITH'], flights: 2 });
});

test('all leases of a process are renewed by one statement', async () => {
  const store = await warm();
  const results = await Promise.all(Array.from({ length: 20 }, () => store.claim(request())));
  sent.length = 0;
  flights = 0;
  const renewed = await store.renew(results.flatMap((result) => (result.won ? [result.claim] : [])));
  expect(renewed.filter((each) => each.renewed)).toHaveLength(20);
  expect(counted()).toEqual({ statements: ['WITH'], flights: 1 });
});

test('a settling transaction costs two flights besides the handler’s own', async () => {
  const store = await warm();
  const settle = async () => {
    const claimed = await store.claim(request());
    if (!claimed.won) throw new Error('lost');
    flights = 0;
    await store.transact(claimed.claim, async () => ({ kind: 'settle', settlement: COMPLETED, value: 1 }), {
      timeoutMs: 5_000,
      trace: { actor: 'request' },
    });
    return flights;
  };
  await settle();
  expect(await settle()).toBe(2);
});

const decision = { actor: 'operator:alice', reason: 'asked the provider' };
const trace = { actor: 'worker' };
const dead = { to: 'dead', cause: 'exhausted', lastError: 'no' } as const;

/** One dead letter made, so that all its statements are prepared; then another, by its id. */
async function deadLetter(store: Store<pg.ClientBase>): Promise<string> {
  const asked = enqueueRequest();
  await store.queue.enqueue(asked, async () => {});
  const started = await store.queue.start({ operationId: asked.operationId, owner: asked.owner, trace });
  if (started.kind !== 'started') throw new Error(started.kind);
  await store.settle(started.claim, dead, trace);
  return asked.operationId;
}

test('accepting work costs two flights besides what is sent, and starting and ending it one each', async () => {
  const store = await warm();
  await deadLetter(store);
  const asked = enqueueRequest();
  sent.length = 0;
  flights = 0;
  await store.queue.enqueue(asked, async () => {});
  expect(counted()).toEqual({ statements: ['BEGIN', 'SELECT', 'WITH', 'SELECT', 'COMMIT'], flights: 2 });
  const started = await store.queue.start({ operationId: asked.operationId, owner: 'owner', trace });
  expect(flights).toBe(3);
  if (started.kind === 'started') await store.settle(started.claim, COMPLETED, trace);
  expect(flights).toBe(4);
});

test('a duplicate of accepted work costs two flights and a look-up', async () => {
  const store = await warm();
  await deadLetter(store);
  const asked = enqueueRequest();
  await store.queue.enqueue(asked, async () => {});
  flights = 0;
  expect((await store.queue.enqueue({ ...asked, owner: 'another' }, async () => {})).won).toBe(false);
  expect(flights).toBe(3);
});

test('resolving and redriving cost two flights besides what is written through them', async () => {
  const store = await warm();
  const done = { to: 'completed', outcome: '{"v":1}' } as const;
  await store.decisions.resolve(await deadLetter(store), async () => done, decision);
  await store.decisions.redrive(await deadLetter(store), { grantAttempts: 1 }, async () => {}, decision);
  const [one, other] = [await deadLetter(store), await deadLetter(store)];
  flights = 0;
  await store.decisions.resolve(one, async () => done, decision);
  expect(flights).toBe(2);
  await store.decisions.redrive(other, { grantAttempts: 1 }, async () => {}, decision);
  expect(flights).toBe(4);
});

test.each([
  { what: 'an atomic execution', transactions: 1, written: 2 },
  { what: 'a leased execution', transactions: 2, written: 3 },
  { what: 'a replay', transactions: 1, written: 0 },
  // Record and work, and the job that is sent; then record and transition twice, and the work erased.
  { what: 'work accepted', transactions: 1, written: 3 },
  { what: 'work accepted and done', transactions: 3, written: 8 },
] as const)(
  '$what is $transactions transaction(s) and $written written rows',
  { retry: 2 },
  async ({ what, ...cost }) => {
    const run = async (n: number) => {
      const own = await ownDatabase(db.pool);
      await own.sql('CREATE TABLE effect (id integer)');
      const { connection } = own;
      const store = createPostgresStore({ connection, controlConnections: 1, lookupConnections: 1 });
      const asked = request();
      await store.claim(asked);
      for (let i = 0; i < n; i++) {
        if (what === 'an atomic execution') {
          await store.atomically(atomicRequest(), async (tx) => {
            await tx.query('INSERT INTO effect VALUES (1)');
            return keep('value');
          });
        } else if (what === 'a leased execution') {
          const claimed = await store.claim(request());
          if (claimed.won) await store.settle(claimed.claim, COMPLETED, { actor: 'request' });
        } else if (what === 'a replay') await store.lookup(asked);
        else {
          const work = enqueueRequest();
          const { operationId } = work;
          await store.queue.enqueue(
            work,
            async (tx) => void (await tx.query('INSERT INTO effect VALUES (1)')),
          );
          if (what === 'work accepted') continue;
          const started = await store.queue.start({ operationId, owner: work.owner, trace });
          if (started.kind === 'started') await store.settle(started.claim, COMPLETED, trace);
        }
      }
      await store.close();
      const counted = await own.statistics();
      await own.drop();
      return counted;
    };
    const few = await run(1);
    const many = await run(101);
    // Opening connections costs transactions too, the same in both runs. Strays of Postgres' own (a worker of autovacuum) are
    // rounded away; if they are many, it's counted again.
    expect({
      transactions: Math.round((many.transactions - few.transactions) / 100),
      written: Math.round((many.written - few.written) / 100),
    }).toEqual(cost);
  },
);
