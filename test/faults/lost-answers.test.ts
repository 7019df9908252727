import type { Operation } from '@semel/server';
import { createTcpProxy, loseAnswerAfter, type TcpProxy } from '@semel/testing/faults';
import type { ClientBase, PoolConfig } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { mutate, mutateFirmly } from '../fixtures/plain-client.ts';
import { createStage, type Stage } from '../fixtures/stage.ts';
import { type Behaviour, startTrpcServer } from '../fixtures/trpc-server.ts';

// Between the server and its database stands a proxy that loses what it is told to lose.

let stage: Stage;
let proxy: TcpProxy;
let server: Awaited<ReturnType<typeof startTrpcServer>>;
beforeAll(async () => {
  stage = await createStage(inject('databaseUrl'));
});
beforeEach(async () => {
  const { hostname: host, port } = new URL(inject('databaseUrl'));
  proxy = await createTcpProxy({ target: { host, port: Number(port) } });
});
afterEach(async () => {
  await server.close();
  await proxy.close();
});
afterAll(() => stage.close());

const INPUT = { json: { sku: 'book' } };
let runs: string[] = [];
const insert = async (tx: ClientBase, { key }: Operation<ClientBase>) => {
  runs.push(key);
  await tx.query(`INSERT INTO ${stage.schema}.orders (key, sku) VALUES ($1, 'book')`, [key]);
  return { key, run: runs.length };
};
const BEHAVIOUR: Behaviour<ClientBase> = {
  policy: { effects: 'steps', leaseMs: 30_000 },
  atomic: (operation) => insert(operation.tx, operation),
  leased: (operation) => operation.settle((tx) => insert(tx, operation)),
};
async function start(behaviour = BEHAVIOUR, limits: PoolConfig = {}) {
  runs = [];
  const connectionString = proxy.url(inject('databaseUrl'));
  const connection = { connectionString, connectionTimeoutMillis: 5_000, ...limits };
  server = await startTrpcServer(stage.openStore({ connection }), behaviour);
}
const state = async (key: string) =>
  (await stage.sql('SELECT state, attempt FROM {s}.operation WHERE key = $1', [key]))[0];

describe.each(['atomic', 'leased'] as const)(
  '%s: COMMIT was done and its acknowledgement is lost',
  (mode) => {
    test('the caller gets its normal answer, the handler ran once', async () => {
      await start();
      const key = `commit-${mode}`;
      const lost = loseAnswerAfter('COMMIT');
      proxy.setFaults({ onData: lost.onData });
      const call = mutate(server.url, mode, INPUT, { key });
      const connection = await lost.swallowed;
      // The first answer of the flight was swallowed; its COMMIT may still be worked at.
      await expect.poll(() => state(key), { timeout: 20_000 }).toEqual({ state: 'completed', attempt: 1 });
      connection.reset();
      const answer = await call;
      const again = await mutate(server.url, mode, INPUT, { key });
      expect([answer.status, answer.body.result.data.json]).toEqual([200, { key, run: 1 }]);
      expect(again.body).toEqual(answer.body);
      expect((await stage.effects(key)).orders).toBe(1);
      expect(await state(key)).toEqual({ state: 'completed', attempt: 1 });
    });

    test('with the database gone afterwards the answer is outcome_unknown, and the retry gets the outcome', async () => {
      // A settlement is insisted on for as long as the lease lasts: here not for long.
      await start({ ...BEHAVIOUR, policy: { effects: 'steps', leaseMs: 1000 } });
      const key = `commit-gone-${mode}`;
      const lost = loseAnswerAfter('COMMIT');
      proxy.setFaults({ onData: lost.onData });
      const call = mutate(server.url, mode, INPUT, { key });
      await lost.swallowed;
      await expect.poll(() => state(key), { timeout: 20_000 }).toEqual({ state: 'completed', attempt: 1 });
      await proxy.refuse();
      proxy.cut();
      const answer = await call;
      expect([answer.status, answer.code]).toEqual([409, 'outcome_unknown']);
      await proxy.accept();
      proxy.setFaults({});
      const again = await mutateFirmly(server.url, mode, INPUT, { key });
      expect([again.status, again.body.result.data.json]).toEqual([200, { key, run: 1 }]);
      expect((await stage.effects(key)).orders).toBe(1);
    });
  },
);

describe.each(['atomic', 'leased'] as const)('%s: COMMIT never arrives', (mode) => {
  test('the effect is there once all the same, after another run', async () => {
    await start();
    const key = `never-${mode}`;
    let isCut = false;
    proxy.setFaults({
      onData: (direction, chunk) => {
        if (isCut || direction !== 'toServer' || !chunk.includes('COMMIT')) return 'pass';
        isCut = true;
        return 'reset';
      },
    });
    const answer = await mutateFirmly(server.url, mode, INPUT, { key });
    expect([answer.status, answer.body.result.data.json]).toEqual([200, { key, run: 2 }]);
    expect((await stage.effects(key)).orders).toBe(1);
    expect((await mutate(server.url, mode, INPUT, { key })).body).toEqual(answer.body);
  });
});

// No reset, no close: what a cut cable or a firewall that forgot the connection looks like.
describe('the network swallows COMMIT and everything after it', () => {
  const MODES = ['atomic', 'leased'] as const;
  function swallowed(name: string) {
    const cut = new Set<number>();
    proxy.setFaults({
      onData: (direction, chunk, connection) => {
        if (direction !== 'toServer' || !chunk.includes('COMMIT') || cut.size === MODES.length) return 'pass';
        cut.add(connection.id);
        connection.blackhole('toClient');
        return 'blackhole';
      },
    });
    const policy = { effects: 'steps', leaseMs: 1000, maxRunMs: 1000 } as const;
    return { policy, keyOf: (mode: string) => `hole-${name}-${mode}` };
  }
  async function expectOnce(keyOf: (mode: string) => string) {
    const ask = (mode: string) =>
      mutateFirmly(server.url, mode, INPUT, { key: keyOf(mode), untilKnown: true });
    const answers = await Promise.all(MODES.map(ask));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const again = await Promise.all(MODES.map(ask));
    expect(again.map(({ body }) => body)).toEqual(answers.map(({ body }) => body));
    for (const mode of MODES) expect((await stage.effects(keyOf(mode))).orders).toBe(1);
  }

  test('with a query_timeout of its own: every call ends, and each effect is there once', async () => {
    const { policy, keyOf } = swallowed('limited');
    await start({ ...BEHAVIOUR, policy }, { query_timeout: 1000 });
    await expectOnce(keyOf);
  });

  // Without the store's own limit the caller, and every duplicate that joins it, waits until TCP gives up.
  test('by default: every call ends, and each effect is there once', { timeout: 60_000 }, async () => {
    const { policy, keyOf } = swallowed('default');
    await start({ ...BEHAVIOUR, policy });
    await expectOnce(keyOf);
  });
});

describe('the acknowledgement of a claim is lost', () => {
  /** Loses the answers to the next so many claims. */
  const loseClaims = (count: number) => {
    let left = count;
    const hit = new WeakSet<object>();
    proxy.setFaults({
      onData: (direction, chunk, connection) => {
        if (direction === 'toServer' && left > 0 && chunk.includes('semel_claim_')) {
          left--;
          hit.add(connection);
        }
        return direction === 'toClient' && hit.has(connection) ? 'reset' : 'pass';
      },
    });
  };

  test.each([1, 2, 3])(
    '%i times: the owner that asks again recognises itself and runs once',
    async (times) => {
      await start();
      const key = `claim-${times}`;
      loseClaims(times);
      const answer = await mutate(server.url, 'leased', INPUT, { key });
      expect([answer.status, answer.body.result.data.json]).toEqual([200, { key, run: 1 }]);
      expect(await stage.history(key)).toEqual([
        'absent -> processing (claimed, 1)',
        'processing -> completed (succeeded, 1)',
      ]);
    },
  );

  test('for good: 503, nothing ran, and the claim is given back long before its lease ends', async () => {
    await start();
    const key = 'claim-given-back';
    loseClaims(4);
    const refused = await mutate(server.url, 'leased', INPUT, { key });
    expect([refused.status, refused.code, runs]).toEqual([503, 'store_unavailable', []]);
    await expect.poll(() => state(key), { timeout: 20_000 }).toEqual({ state: 'released', attempt: 1 });
    const answer = await mutateFirmly(server.url, 'leased', INPUT, { key });
    expect([answer.status, answer.body.result.data.json]).toEqual([200, { key, run: 1 }]);
    expect(await state(key)).toEqual({ state: 'completed', attempt: 2 });
  });
});

test('the acknowledgement of a recorded step is lost: the step is not taken again', async () => {
  let asked = 0;
  await start({
    policy: { effects: 'steps' },
    leased: (operation) => operation.step('ask', async () => ++asked),
  });
  const lost = loseAnswerAfter('semel_record_step_');
  proxy.setFaults({ onData: lost.onData });
  const call = mutate(server.url, 'leased', INPUT, { key: 'step' });
  (await lost.swallowed).reset();
  const answer = await call;
  expect([answer.status, answer.body.result.data.json, asked]).toEqual([200, 1, 1]);
});

test('the acknowledgement of a plain settlement is lost: it stands', async () => {
  await start({ leased: async () => 'done' });
  const lost = loseAnswerAfter('semel_settle_');
  proxy.setFaults({ onData: lost.onData });
  const call = mutate(server.url, 'leased', INPUT, { key: 'settlement' });
  (await lost.swallowed).reset();
  expect((await call).status).toBe(200);
  expect(await stage.history('settlement')).toEqual([
    'absent -> processing (claimed, 1)',
    'processing -> completed (succeeded, 1)',
  ]);
});
