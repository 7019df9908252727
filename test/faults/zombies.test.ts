import type { Operation } from '@semel/server';
import type { ClientBase } from 'pg';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { createGate } from '../fixtures/gate.ts';
import { mutate } from '../fixtures/plain-client.ts';
import { createStage, type Stage } from '../fixtures/stage.ts';
import { startTrpcServer } from '../fixtures/trpc-server.ts';

// A zombie is an attempt that has been overtaken and doesn't know: its process lives, its lease is gone.

let stage: Stage;
const servers: Awaited<ReturnType<typeof startTrpcServer>>[] = [];
beforeAll(async () => {
  stage = await createStage(inject('databaseUrl'));
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});
afterAll(() => stage.close());

type Handler = (operation: Operation<ClientBase>) => unknown;
const POLICY = { effects: 'steps', leaseMs: 30_000 } as const;
const INPUT = { json: { sku: 'book' } };

async function start(leased: Handler) {
  const server = await startTrpcServer(stage.openStore(), { leased, policy: POLICY });
  servers.push(server);
  return server;
}
const insert = (tx: ClientBase, operation: Operation<ClientBase>, sku: string) =>
  tx.query(`INSERT INTO ${stage.schema}.orders (key, sku) VALUES ($1, $2)`, [operation.key, sku]);
const skus = (key: string) => stage.sql('SELECT sku FROM {s}.orders WHERE key = $1', [key]);

/** The first server is held at its gate, loses its lease there, another takes over; then the first goes on. */
async function overtakenAt(key: string, zombie: (hold: () => Promise<void>) => Handler, successor: Handler) {
  const gate = createGate();
  const [a, b] = [await start(zombie(gate.pass)), await start(successor)];
  const late = mutate(a.url, 'leased', INPUT, { key });
  await gate.reached;
  await stage.loseLease(key);
  const second = await mutate(b.url, 'leased', INPUT, { key });
  gate.open();
  const first = await late;
  const retried = await mutate(a.url, 'leased', INPUT, { key });
  const [{ id } = { id: '' }] = await stage.sql<{ id: string }>(
    'SELECT operation_id AS id FROM {s}.operation WHERE key = $1',
    [key],
  );
  return { first, second, retried, rejected: await stage.store.rejected(id) };
}

const settling =
  (sku: string, hold: () => Promise<void> = async () => {}): Handler =>
  (operation) =>
    operation.settle(async (tx) => {
      await insert(tx, operation, sku);
      await hold();
      return { sku };
    });

test("a zombie's settlement that travels with its COMMIT is refused, rolled back and kept as evidence", async () => {
  const { first, second, retried, rejected } = await overtakenAt(
    'settle',
    (hold) => settling('late', hold),
    settling('in time'),
  );
  expect([first.status, first.code]).toEqual([409, 'lease_lost']);
  expect(second.body.result.data.json).toEqual({ sku: 'in time' });
  expect(retried.body).toEqual(second.body);
  expect(await skus('settle')).toEqual([{ sku: 'in time' }]);
  expect(rejected).toMatchObject([
    {
      storedState: 'completed',
      storedAttempt: 2,
      attemptedState: 'completed',
      attemptedAttempt: 1,
      evidence: '{"v":1,"ok":true,"value":{"json":{"sku":"late"}}}',
      count: 1,
    },
  ]);
  expect(await stage.history('settle')).toEqual([
    'absent -> processing (claimed, 1)',
    'processing -> processing (overtaken, 2)',
    'processing -> completed (succeeded, 2)',
  ]);
});

test("a zombie's own transaction is rolled back, and what it brought is kept", async () => {
  const named =
    (sku: string, hold = async () => {}): Handler =>
    async (operation) => {
      await operation.transaction('write', async (tx) => {
        await insert(tx, operation, sku);
        await hold();
        return sku;
      });
      return { sku };
    };
  const { first, retried, rejected } = await overtakenAt(
    'named',
    (hold) => named('late', hold),
    named('in time'),
  );
  expect([first.status, first.code]).toEqual([409, 'lease_lost']);
  expect(retried.body.result.data.json).toEqual({ sku: 'in time' });
  expect(await skus('named')).toEqual([{ sku: 'in time' }]);
  expect(rejected).toMatchObject([
    { attemptedState: 'step', attemptedAttempt: 1, evidence: '{"json":"late"}' },
  ]);
});

test("a zombie's step result is not recorded over its successor's, and is kept", async () => {
  const stepping =
    (result: string, hold = async () => {}): Handler =>
    (operation) =>
      operation.step('ask', async () => {
        await hold();
        return result;
      });
  const { first, retried, rejected } = await overtakenAt(
    'step',
    (hold) => stepping('late', hold),
    stepping('in time'),
  );
  expect([first.status, first.code]).toEqual([409, 'lease_lost']);
  expect(retried.body.result.data.json).toBe('in time');
  expect(rejected).toMatchObject([
    { attemptedState: 'step', attemptedAttempt: 1, evidence: '{"json":"late"}' },
  ]);
});

test("a zombie's plain answer is refused and kept", async () => {
  const { first, retried, rejected } = await overtakenAt(
    'plain',
    (hold) => async () => {
      await hold();
      return 'late';
    },
    async () => 'in time',
  );
  expect([first.status, first.code]).toEqual([409, 'lease_lost']);
  expect(retried.body.result.data.json).toBe('in time');
  expect(rejected).toMatchObject([
    {
      storedState: 'completed',
      attemptedState: 'completed',
      evidence: '{"v":1,"ok":true,"value":{"json":"late"}}',
    },
  ]);
});

test('a zombie whose operation was suspended meanwhile settles nothing', async () => {
  const gate = createGate();
  const a = await startTrpcServer(stage.openStore(), {
    policy: { effects: 'unknown', leaseMs: 30_000 },
    leased: settling('late', gate.pass) as never,
  });
  servers.push(a as never);
  const late = mutate(a.url, 'leased', INPUT, { key: 'suspended' });
  await gate.reached;
  await stage.loseLease('suspended');
  const swept = await stage.store.sweepOrphans({ limit: 10, trace: { actor: 'recovery' } });
  expect(swept.changed.length).toBe(1);
  gate.open();
  expect((await late).code).toBe('lease_lost');
  expect((await mutate(a.url, 'leased', INPUT, { key: 'suspended' })).code).toBe('outcome_unknown');
  expect(await skus('suspended')).toEqual([]);
});
