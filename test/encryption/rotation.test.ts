import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { query } from '../fixtures/plain-client.ts';
import {
  BOTH,
  BOTH_OLD,
  createDatabase,
  type Database,
  FIRST,
  type Handlers,
  RETIRED,
  type Server,
  said,
} from './server.ts';

// One database, and deployments with another key ring each: before there was one, k1, k1 and k2, k2 alone.

let db: Database;
const handlers: Handlers = { atomic: async () => 0, leased: async () => 0 };
let runs = 0;
let [none, first, bothOld, both, retired] = [] as unknown as [Server, Server, Server, Server, Server];
beforeAll(async () => {
  db = await createDatabase();
  none = await db.serve(undefined, handlers);
  first = await db.serve(FIRST, handlers);
  bothOld = await db.serve(BOTH_OLD, handlers);
  both = await db.serve(BOTH, handlers);
  retired = await db.serve(RETIRED, handlers);
});
afterAll(() => db.close());
beforeEach(() => {
  runs = 0;
  for (const server of [none, first, bothOld, both, retired]) server.events.length = 0;
  handlers.atomic = async (_, { amount }) => ({ run: ++runs, amount });
  handlers.leased = handlers.atomic;
});

const GONE = '409 outcome_gone';
const REUSED = '422 key_reused';
const UNKNOWN = '409 outcome_unknown';
const [MINE, OTHER] = [{ amount: 1250 }, { amount: 1251 }];

describe.each(['atomic', 'leased'] as const)('an %s operation', (path) => {
  test('made under k1 is replayed wherever k1 is known, and judged there', async () => {
    const key = `${path}-k1`;
    const answer = said(await first.call(path, key, MINE));
    expect(answer).toEqual({ run: 1, amount: 1250 });
    for (const server of [first, bothOld, both]) {
      expect(said(await server.call(path, key, MINE))).toEqual(answer);
      expect(said(await server.call(path, key, OTHER))).toBe(REUSED);
      expect(server.undecryptable()).toEqual([]);
    }
    expect(runs).toBe(1);
  });

  test('made under k1 is gone where k1 is not known any more, for every input, and never runs again', async () => {
    const key = `${path}-gone`;
    await first.call(path, key, MINE);
    for (const server of [retired, none]) {
      for (const input of [MINE, OTHER]) expect(said(await server.call(path, key, input))).toBe(GONE);
      expect(server.undecryptable()).toEqual(Array(2).fill('fingerprint: unknown_key'));
      const asked = { procedure: path, key };
      const status = (await query(server.url, 'idempotency.status', asked, 'alice')).body.result.data;
      expect([status.state, status.outcome]).toEqual(['completed', { v: 1, ok: true, gone: 'unreadable' }]);
    }
    // Nothing was changed by that: whoever has the key has the answer.
    expect(said(await both.call(path, key, MINE))).toEqual({ run: 1, amount: 1250 });
    expect(runs).toBe(1);
  });

  test('made after the rotation is read by whoever has k2, and by servers that only know of it already', async () => {
    const key = `${path}-k2`;
    const answer = said(await both.call(path, key, MINE));
    for (const server of [both, retired, bothOld]) {
      expect(said(await server.call(path, key, MINE))).toEqual(answer);
      expect(said(await server.call(path, key, OTHER))).toBe(REUSED);
    }
    expect(said(await first.call(path, key, MINE))).toBe(GONE);
    expect(runs).toBe(1);
  });

  test('made before there was a key ring is replayed and judged by every server', async () => {
    const key = `${path}-plain`;
    const answer = said(await none.call(path, key, MINE));
    for (const server of [none, first, both, retired]) {
      expect(said(await server.call(path, key, MINE))).toEqual(answer);
      expect(said(await server.call(path, key, OTHER))).toBe(REUSED);
      expect(server.undecryptable()).toEqual([]);
    }
    expect(runs).toBe(1);
  });

  test('runs once when servers with different current keys are asked at the same time', async () => {
    for (let round = 0; round < 5; round++) {
      runs = 0;
      const key = `${path}-at-once-${round}`;
      const servers = [bothOld, both, bothOld, both, bothOld, both];
      const answers = await Promise.all(servers.map((server) => server.call(path, key, MINE)));
      expect(answers.map(said)).toEqual(Array(6).fill({ run: 1, amount: 1250 }));
      const others = await Promise.all(servers.map((server) => server.call(path, key, OTHER)));
      expect(others.map(said)).toEqual(Array(6).fill(REUSED));
    }
  });

  test('joins and refuses duplicates of a call that runs under either form', async () => {
    const held = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    handlers[path] = async (_, { amount }) => {
      runs++;
      begun.resolve();
      await held.promise;
      return { run: runs, amount };
    };
    const key = `${path}-joined`;
    const leader = both.call(path, key, MINE);
    await begun.promise;
    const follower = both.call(path, key, MINE);
    const other = both.call(path, key, OTHER);
    held.resolve();
    expect(said(await other)).toBe(REUSED);
    expect([said(await leader), said(await follower), runs]).toEqual([
      { run: 1, amount: 1250 },
      { run: 1, amount: 1250 },
      1,
    ]);
  });
});

test('a lenient policy replays to any input, but only what it can open', async () => {
  await first.call('lenient', 'l', MINE);
  expect(said(await both.call('lenient', 'l', OTHER))).toEqual({ run: 1, amount: 1250 });
  expect(said(await retired.call('lenient', 'l', OTHER))).toBe(GONE);
  expect([retired.undecryptable(), runs]).toEqual([['outcome: unknown_key'], 1]);
});

test('what the guide asks before an old key is taken out counts what still names it', async () => {
  const guide = readFileSync(new URL('../../docs/guides/encryption.md', import.meta.url), 'utf8');
  const sql = /```sql\n(.*?)```/s.exec(guide)?.[1] ?? '';
  const left = async (keyId: string) =>
    Number(Object.values((await db.sql(sql.replaceAll('k1', keyId)))[0] ?? {})[0]);
  const before = [await left('k1'), await left('k2')];
  await first.call('atomic', 'counted', MINE);
  expect([await left('k1'), await left('k2'), await left('k9')]).toEqual([
    (before[0] ?? 0) + 1,
    before[1],
    0,
  ]);
});

/** A first attempt that recorded a step, and asked outside in another whose answer it never got. */
function brokenOnce(): string[] {
  const asked: string[] = [];
  let attempts = 0;
  handlers.leased = async (operation, { amount }) => {
    runs++;
    const reserved = await operation.step('reserve', { input: { amount } }, async (childKey) => {
      asked.push(`reserve ${childKey}`);
      return { reservation: asked.length };
    });
    const charged = await operation.step('charge', { input: { amount } }, async (childKey) => {
      asked.push(`charge ${childKey}`);
      if (attempts++ === 0) throw new Error('socket hang up');
      return { charge: asked.length };
    });
    return { ...reserved, ...charged };
  };
  return asked;
}

test('an operation that was begun under k1 goes on under k2: no step twice, the same child keys', async () => {
  const asked = brokenOnce();
  expect((await first.call('leased', 'resumed', MINE)).status).toBe(500);
  expect(said(await both.call('leased', 'resumed', OTHER))).toBe(REUSED);
  expect(said(await both.call('leased', 'resumed', MINE))).toEqual({ reservation: 1, charge: 3 });
  expect(asked.map((call) => call.split(' ')[0])).toEqual(['reserve', 'charge', 'charge']);
  expect(asked[1]).toBe(asked[2]);
  const [row] = await db.sql(`SELECT fingerprint, outcome FROM semel.operation WHERE key = 'resumed'`);
  expect(row?.fingerprint).toMatch(/^v1:k1:/);
  expect(row?.outcome).toMatch(/^sealed1:k2:/);
  expect(said(await both.call('leased', 'resumed', MINE))).toEqual({ reservation: 1, charge: 3 });
  // k2 alone opens the outcome, and can't tell whose request it answers.
  expect(said(await retired.call('leased', 'resumed', MINE))).toBe(GONE);
});

test('an operation that was begun under a key that is gone is not run, and goes on where the key is known', async () => {
  const asked = brokenOnce();
  await first.call('leased', 'waiting', MINE);
  for (const server of [retired, none]) {
    for (const input of [MINE, OTHER])
      expect(said(await server.call('leased', 'waiting', input))).toBe(UNKNOWN);
    expect(server.undecryptable()).toEqual(Array(2).fill('fingerprint: unknown_key'));
  }
  expect([runs, asked.length]).toEqual([1, 2]);
  expect(said(await both.call('leased', 'waiting', MINE))).toEqual({ reservation: 1, charge: 3 });
});

test('an attempt that was lost under a key that is gone is not taken over without it', async () => {
  const [held, begun] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  handlers.leased = async () => {
    runs++;
    begun.resolve();
    await held.promise;
    return 'late';
  };
  const zombie = first.call('leased', 'lost', MINE);
  await begun.promise;
  await db.sql(`UPDATE semel.operation SET lease_until = now() - interval '1 s' WHERE key = 'lost'`);
  expect(said(await retired.call('leased', 'lost', MINE))).toBe(UNKNOWN);
  held.resolve();
  // Nothing was done to the record, so the attempt that was thought lost may still settle it.
  expect(said(await zombie)).toBe('late');
});

test('an operation that was begun before there was a key ring stays plain, and goes on', async () => {
  const asked = brokenOnce();
  await none.call('leased', 'before', MINE);
  expect(said(await both.call('leased', 'before', OTHER))).toBe(REUSED);
  expect(said(await both.call('leased', 'before', MINE))).toEqual({ reservation: 1, charge: 3 });
  expect(asked[1]).toBe(asked[2]);
  expect(said(await none.call('leased', 'before', MINE))).toEqual({ reservation: 1, charge: 3 });
});

test('a step that declares another input after the rotation suspends', async () => {
  let amount = 1;
  handlers.leased = async (operation) => {
    await operation.step('charge', { input: { amount } }, async () => ++runs);
    throw new Error('later');
  };
  await first.call('leased', 'declared', MINE);
  expect((await both.call('leased', 'declared', MINE)).status).toBe(500);
  amount = 2;
  expect(said(await both.call('leased', 'declared', MINE))).toBe(UNKNOWN);
  expect([runs, both.undecryptable()]).toEqual([1, []]);
});

test('a step whose result was sealed under a key that is gone suspends, and is not run again', async () => {
  handlers.leased = async () => {
    throw new Error('later');
  };
  expect((await both.call('leased', 'step-gone', MINE)).status).toBe(500);
  // The deployment is half way: an old server goes on, and still writes with k1.
  const asked = brokenOnce();
  expect((await bothOld.call('leased', 'step-gone', MINE)).status).toBe(500);
  expect(said(await retired.call('leased', 'step-gone', MINE))).toBe(UNKNOWN);
  expect(retired.undecryptable()).toEqual(['fingerprint: unknown_key']);
  expect(asked.map((call) => call.split(' ')[0])).toEqual(['reserve', 'charge']);
  expect((await db.sql(`SELECT state FROM semel.operation WHERE key = 'step-gone'`))[0]?.state).toBe(
    'suspended',
  );
});
