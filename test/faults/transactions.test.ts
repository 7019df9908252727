import type { IdempotencyPolicy, Operation } from '@semel/server';
import { TRPCError } from '@trpc/server';
import type { ClientBase } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { createGate } from '../fixtures/gate.ts';
import { mutate } from '../fixtures/plain-client.ts';
import { createStage, type Stage } from '../fixtures/stage.ts';
import { type Behaviour, startTrpcServer } from '../fixtures/trpc-server.ts';

// What a handler can do to the transaction that carries its effects, and what other transactions can do to it.

let stage: Stage;
const servers: { close(): Promise<void> }[] = [];
beforeAll(async () => {
  stage = await createStage(inject('databaseUrl'));
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});
afterAll(() => stage.close());

const INPUT = { json: { sku: 'book' } };

async function start(behaviour: Behaviour<ClientBase>) {
  const server = await startTrpcServer(stage.openStore(), behaviour);
  servers.push(server);
  return server;
}
const insert = (tx: ClientBase, key: string, sku = 'book') =>
  tx.query(`INSERT INTO ${stage.schema}.orders (key, sku) VALUES ($1, $2)`, [key, sku]);
const orders = async (key: string) => (await stage.effects(key)).orders;
const state = async (key: string) =>
  (await stage.sql<{ state: string }>('SELECT state FROM {s}.operation WHERE key = $1', [key]))[0]?.state;
/** Visible ASCII without spaces, as a key has to be. */
const keyOf = (...parts: unknown[]) => parts.join('-').replaceAll(/\W+/g, '-');
/** Fails, and leaves the transaction fit for nothing but a rollback. */
const stumble = (tx: ClientBase) => tx.query('SELECT 1/0').catch((error: Error) => error.message);
const soldOut = () => new TRPCError({ code: 'CONFLICT', message: 'sold out' });

describe('a record that was invisible when the transaction began', () => {
  // The same name in two modes, as during a rolling deployment: the leased claim doesn't ask for the atomic lock, so
  // it slips in behind the atomic call's look-up, in every isolation level. Only the unique constraint stops it.
  test.each(['read committed', 'repeatable read', 'serializable'] as const)(
    'wins over a handler that looked before it was there (%s)',
    async (isolation) => {
      const key = keyOf('old-snapshot', isolation);
      const gate = createGate();
      const policy = { name: 'orders.create', isolation } satisfies Partial<IdempotencyPolicy>;
      const slow = await start({
        policy,
        atomic: async ({ tx }) => {
          await insert(tx, key, 'of the old snapshot');
          await gate.pass();
          return 'of the old snapshot';
        },
      });
      const quick = await start({
        policy,
        leased: (operation) =>
          operation.settle(async (tx) => {
            await insert(tx, key, 'committed first');
            return 'committed first';
          }),
      });
      const late = mutate(slow.url, 'atomic', INPUT, { key });
      await gate.reached;
      const first = await mutate(quick.url, 'leased', INPUT, { key });
      gate.open();
      const second = await late;
      expect(first.body.result.data.json).toBe('committed first');
      expect([second.status, second.body]).toEqual([200, first.body]);
      expect(second.headers.get('idempotency-replayed')).toBe('true');
      expect(await stage.sql('SELECT sku FROM {s}.orders WHERE key = $1', [key])).toEqual([
        { sku: 'committed first' },
      ]);
    },
  );

  test.each(['read committed', 'serializable'] as const)(
    'is seen by every duplicate that got the lock a moment after its commit (%s)',
    async (isolation) => {
      const behaviour: Behaviour<ClientBase> = {
        policy: { isolation },
        atomic: async ({ tx, key }) => {
          await insert(tx, key);
          return key;
        },
      };
      const [a, b] = [await start(behaviour), await start(behaviour)];
      const keys = Array.from({ length: 40 }, (_, n) => keyOf('snapshot-race', isolation, n));
      for (const key of keys) {
        const answers = await Promise.all(
          [a, b, a, b].map(({ url }) => mutate(url, 'atomic', INPUT, { key })),
        );
        expect(answers.map(({ status, body }) => [status, body.result?.data.json])).toEqual(
          Array.from({ length: 4 }, () => [200, key]),
        );
        expect(await orders(key)).toBe(1);
      }
    },
  );
});

describe("a handler's own COMMIT or ROLLBACK", () => {
  test.each([
    ['COMMIT', 1],
    ['ROLLBACK', 0],
    // With a new transaction behind it, everything looks as before but for the marker.
    ['COMMIT; BEGIN', 1],
    ['ROLLBACK; BEGIN', 0],
  ])('%s is caught in atomic mode: the failure is stored, and nothing runs again', async (sql, left) => {
    const key = keyOf('own', sql);
    const server = await start({
      atomic: async ({ tx }) => {
        await insert(tx, key);
        await tx.query(sql);
        return 'done';
      },
    });
    const answer = await mutate(server.url, 'atomic', INPUT, { key });
    expect(answer.status).toBe(500);
    expect(answer.body.error.json.message).toContain('The handler ended the transaction itself');
    expect(await state(key)).toBe('failed');
    const retry = await mutate(server.url, 'atomic', INPUT, { key });
    expect([retry.status, retry.body]).toEqual([500, answer.body]);
    expect(await orders(key)).toBe(left);
    // The connection went back clean: the next call on this server is an ordinary one.
    const next = await mutate(server.url, 'atomic', INPUT, { key: `${key}-next` });
    expect(next.status).toBe(500);
  });

  test('is caught in settle too: the operation waits for a decision, and nothing runs again', async () => {
    const server = await start({
      policy: { effects: 'steps' },
      leased: (operation) =>
        operation.settle(async (tx) => {
          await insert(tx, operation.key);
          await tx.query('COMMIT; BEGIN');
          return 'done';
        }),
    });
    const answer = await mutate(server.url, 'leased', INPUT, { key: 'own-settle' });
    const retry = await mutate(server.url, 'leased', INPUT, { key: 'own-settle' });
    for (const { status, body } of [answer, retry]) {
      expect([status, body.error.json.data.idempotency.code]).toEqual([409, 'outcome_unknown']);
    }
    expect([await state('own-settle'), await orders('own-settle')]).toEqual(['suspended', 1]);
  });
});

describe('an SQL error followed by a refusal', () => {
  const refusing =
    (how: 'thrown' | 'returned', runs: { n: number }) => async (operation: Operation<ClientBase>) => {
      runs.n++;
      await insert(operation.tx, operation.key);
      await stumble(operation.tx);
      const refusal = operation.refuse(soldOut());
      if (how === 'thrown') throw refusal;
      return refusal;
    };

  test('thrown: effects are rolled back and the refusal is stored and replayed', async () => {
    const runs = { n: 0 };
    const server = await start({ atomic: refusing('thrown', runs) });
    const first = await mutate(server.url, 'atomic', INPUT, { key: 'stumbled-thrown' });
    const second = await mutate(server.url, 'atomic', INPUT, { key: 'stumbled-thrown' });
    expect([first.status, first.body.error.json.message]).toEqual([409, 'sold out']);
    expect([second.status, second.body]).toEqual([409, first.body]);
    expect([runs.n, await orders('stumbled-thrown'), await state('stumbled-thrown')]).toEqual([
      1,
      0,
      'failed',
    ]);
  });

  // Returned, it asks for its effects to be committed, which can't be: nothing may be stored that says otherwise.
  test('returned: it cannot commit its effects, so nothing is stored and the next attempt runs', async () => {
    const runs = { n: 0 };
    const server = await start({ atomic: refusing('returned', runs) });
    const first = await mutate(server.url, 'atomic', INPUT, { key: 'stumbled-returned' });
    const second = await mutate(server.url, 'atomic', INPUT, { key: 'stumbled-returned' });
    expect([first.status, second.status]).toEqual([500, 500]);
    expect([runs.n, await orders('stumbled-returned'), await state('stumbled-returned')]).toEqual([
      2,
      0,
      undefined,
    ]);
  });

  test("returned after the handler's own savepoint was rolled back: effects and refusal commit", async () => {
    const server = await start({
      atomic: async ({ tx, key, refuse }) => {
        await insert(tx, key);
        await tx.query('SAVEPOINT mine');
        await stumble(tx);
        await tx.query('ROLLBACK TO SAVEPOINT mine');
        return refuse(soldOut());
      },
    });
    const first = await mutate(server.url, 'atomic', INPUT, { key: 'stumbled-saved' });
    const second = await mutate(server.url, 'atomic', INPUT, { key: 'stumbled-saved' });
    expect([first.status, second.body]).toEqual([409, first.body]);
    expect([await orders('stumbled-saved'), await state('stumbled-saved')]).toEqual([1, 'failed']);
  });

  test.each(['thrown', 'returned'] as const)('%s from settle: no effect of it remains', async (how) => {
    const key = `stumbled-settle-${how}`;
    const server = await start({
      policy: { effects: 'steps' },
      leased: (operation) =>
        operation.settle(async (tx) => {
          await insert(tx, key);
          await stumble(tx);
          const refusal = operation.refuse(soldOut());
          if (how === 'thrown') throw refusal;
          return refusal;
        }),
    });
    const answer = await mutate(server.url, 'leased', INPUT, { key });
    expect([answer.status, await state(key)]).toEqual(how === 'thrown' ? [409, 'failed'] : [500, 'released']);
    expect(await orders(key)).toBe(0);
  });

  test('an SQL error that the handler swallows is not answered as a success', async () => {
    const server = await start({
      atomic: async ({ tx, key }) => {
        await insert(tx, key);
        await stumble(tx);
        return 'done';
      },
    });
    const answer = await mutate(server.url, 'atomic', INPUT, { key: 'stumbled-swallowed' });
    expect(answer.status).toBe(500);
    expect([await orders('stumbled-swallowed'), await state('stumbled-swallowed')]).toEqual([0, undefined]);
  });
});

describe('transactions that get into each other', () => {
  test('a serialization failure runs the whole again: both are answered, and the invariant holds', async () => {
    const gates = new Map([
      ['skew-a', createGate()],
      ['skew-b', createGate()],
    ]);
    const runs: string[] = [];
    const server = await start({
      policy: { isolation: 'serializable' },
      // At most one order of this sku: each looks, sees none, and inserts.
      atomic: async ({ tx, key }) => {
        runs.push(key);
        const { rows } = await tx.query(`SELECT 1 FROM ${stage.schema}.orders WHERE sku = 'the last one'`);
        if (runs.filter((run) => run === key).length === 1) await gates.get(key)?.pass();
        if (rows.length > 0) return 'sold out';
        await insert(tx, key, 'the last one');
        return 'yours';
      },
    });
    const calls = [...gates.keys()].map((key) => mutate(server.url, 'atomic', INPUT, { key }));
    await Promise.all([...gates.values()].map((gate) => gate.reached));
    for (const gate of gates.values()) gate.open();
    const answers = await Promise.all(calls);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(new Set(answers.map(({ body }) => body.result.data.json))).toEqual(new Set(['sold out', 'yours']));
    expect(runs.length).toBe(3);
    expect(await stage.sql(`SELECT count(*)::int AS n FROM {s}.orders WHERE sku = 'the last one'`)).toEqual([
      { n: 1 },
    ]);
  });

  test('a deadlock runs the victim again, and both are answered', async () => {
    await stage.sql(`INSERT INTO {s}.orders (key, sku) VALUES ('left', 'row'), ('right', 'row')`);
    const gates = [createGate(), createGate()];
    let runs = 0;
    const lock = (tx: ClientBase, key: string) =>
      tx.query(`UPDATE ${stage.schema}.orders SET scope = 'locked' WHERE key = $1`, [key]);
    const server = await start({
      atomic: async ({ tx }, input) => {
        const { first, second, n } = input as { first: string; second: string; n: number };
        runs++;
        await lock(tx, first);
        await gates[n]?.pass();
        await lock(tx, second);
        return 'done';
      },
    });
    const left = mutate(
      server.url,
      'atomic',
      { json: { first: 'left', second: 'right', n: 0 } },
      { key: 'dead-a' },
    );
    const right = mutate(
      server.url,
      'atomic',
      { json: { first: 'right', second: 'left', n: 1 } },
      { key: 'dead-b' },
    );
    await Promise.all(gates.map((gate) => gate.reached));
    for (const gate of gates) gate.open();
    expect((await Promise.all([left, right])).map(({ status }) => status)).toEqual([200, 200]);
    expect(runs).toBe(3);
  });
});
