import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { mutate, mutateFirmly } from '../fixtures/plain-client.ts';
import { createStage, type ServerChild, type Stage } from '../fixtures/stage.ts';

// Real processes that hang up, stand still, die, or are told to stop. Each test starts some: on a busy machine that takes time.
vi.setConfig({ testTimeout: 120_000 });

let stage: Stage;
let other: ServerChild;
beforeAll(async () => {
  stage = await createStage(inject('databaseUrl'));
  other = await stage.start();
});
afterAll(() => stage.close());

const PAID = { orders: 0, payments: 1, reservations: 0, charges: 1 };
const operation = async (key: string) => {
  const [row] = await stage.sql<{ id: string; state: string; attempt: number }>(
    'SELECT operation_id AS id, state, attempt FROM {s}.operation WHERE key = $1',
    [key],
  );
  return row;
};
/** The lease has run out by the store's clock, the only one that counts. */
const leaseRanOut = (key: string) =>
  expect
    .poll(
      () =>
        stage.sql('SELECT 1 FROM {s}.operation WHERE key = $1 AND lease_until < clock_timestamp()', [key]),
      {
        timeout: 20_000,
      },
    )
    .toHaveLength(1);

describe('a client that hangs up in the middle', () => {
  test.each(['before charge', 'after charge', 'in settle'] as const)(
    '%s: changes nothing, and its retry gets the answer that it missed',
    async (gate) => {
      const key = `hang-up-${gate.replace(' ', '-')}`;
      const input = { amount: 1250, gate };
      const server = await stage.start();
      const caller = new AbortController();
      const call = mutate(server.url, 'pay', input, { key, signal: caller.signal }).catch(
        (error: Error) => error.name,
      );
      const { id } = await server.message((message) => message.at === gate);
      caller.abort();
      expect(await call).toBe('AbortError');
      const meanwhile = mutateFirmly(server.url, 'pay', input, { key });
      server.send({ open: id });
      const answer = await meanwhile;
      expect([answer.status, answer.headers.get('idempotency-replayed')]).toEqual([200, 'true']);
      expect(await stage.effects(key)).toEqual(PAID);
      expect((await operation(key))?.attempt).toBe(1);
    },
  );
});

describe('a server that stands still for longer than its lease (SIGSTOP, then SIGCONT)', () => {
  /** Stopped at its gate; another server finishes the work; then it goes on as if no time had passed. */
  async function frozen(path: string, gate: 'after charge' | 'in settle') {
    const key = `frozen-${path}`;
    const input = { amount: 1250, gate };
    const server = await stage.start();
    const late = mutate(server.url, path, input, { key });
    const { id } = await server.message((message) => message.at === gate);
    await server.stop();
    await leaseRanOut(key);
    const second = await mutateFirmly(other.url, path, input, { key });
    server.send({ open: id }); // read when it goes on
    server.cont();
    const first = await late;
    const third = await mutateFirmly(server.url, path, input, { key });
    await server.kill();
    const effects = await stage.effects(key);
    return { key, first, second, third, effects, rejected: await stage.store.rejected(id) };
  }

  test('its late transaction is rolled back, and what it brought is kept as evidence', async () => {
    const { key, first, second, third, effects, rejected } = await frozen('pay', 'in settle');
    expect([first.status, first.code]).toEqual([409, 'lease_lost']);
    expect(second.status).toBe(200);
    expect(third.body).toEqual(second.body);
    expect(effects).toEqual(PAID);
    expect(await operation(key)).toMatchObject({ state: 'completed', attempt: 2 });
    expect(rejected).toMatchObject([
      {
        storedState: 'completed',
        storedAttempt: 2,
        attemptedState: 'completed',
        attemptedAttempt: 1,
        count: 1,
      },
    ]);
    expect(rejected[0]?.evidence).toContain('"amount":1250');
  });

  test('its late settlement is refused and kept as evidence', async () => {
    const { key, first, second, third, effects, rejected } = await frozen('payPlain', 'after charge');
    expect([first.status, first.code]).toEqual([409, 'lease_lost']);
    expect(third.body).toEqual(second.body);
    expect(effects).toEqual({ ...PAID, payments: 0 });
    expect(await operation(key)).toMatchObject({ state: 'completed', attempt: 2 });
    expect(rejected).toMatchObject([
      {
        storedState: 'completed',
        storedAttempt: 2,
        attemptedState: 'completed',
        attemptedAttempt: 1,
        count: 1,
      },
    ]);
  });

  test('under suspend nobody takes over; it is not believed any more either', async () => {
    const { key, first, second, third, effects, rejected } = await frozen('payOrAsk', 'in settle');
    expect([second.code, first.code, third.code]).toEqual([
      'outcome_unknown',
      'lease_lost',
      'outcome_unknown',
    ]);
    expect(effects).toEqual({ ...PAID, payments: 0 });
    expect(await operation(key)).toMatchObject({ state: 'suspended', attempt: 1 });
    expect(rejected).toMatchObject([
      { storedState: 'suspended', attemptedState: 'completed', attemptedAttempt: 1 },
    ]);
  });
});

describe('recovery by any server', () => {
  test("an orphan is suspended by another server's sweep, without anybody asking for it", async () => {
    const input = { amount: 1250, gate: 'after charge' };
    const server = await stage.start();
    const call = mutate(server.url, 'payOrAsk', input, { key: 'orphan' }).catch(() => 'cut');
    await server.message((message) => message.at === 'after charge');
    await server.kill();
    expect(await call).toBe('cut');
    const sweeper = await stage.start({ sweepMs: 50 });
    await expect
      .poll(() => operation('orphan'), { timeout: 20_000 })
      .toMatchObject({ state: 'suspended', attempt: 1 });
    await sweeper.kill();
    const history = await stage.store.history((await operation('orphan'))?.id ?? '');
    expect(history.map(({ to, cause, actor }) => [to, cause, actor])).toEqual([
      ['processing', 'claimed', 'request'],
      ['suspended', 'outcome_unknown', 'recovery'],
    ]);
    const asked = await mutate(other.url, 'payOrAsk', input, { key: 'orphan' });
    expect([asked.status, asked.code]).toEqual([409, 'outcome_unknown']);
    expect(await stage.effects('orphan')).toEqual({ ...PAID, payments: 0 });
  });

  test('an orphan that may be resumed is left by the sweep, and finished by the next who asks', async () => {
    const input = { amount: 1250, gate: 'after charge' };
    const server = await stage.start();
    const call = mutate(server.url, 'pay', input, { key: 'resumable' }).catch(() => 'cut');
    await server.message((message) => message.at === 'after charge');
    await server.kill();
    await call;
    await leaseRanOut('resumable');
    await stage.store.sweepOrphans({ limit: 100, trace: { actor: 'recovery' } });
    expect(await operation('resumable')).toMatchObject({ state: 'processing', attempt: 1 });
    expect((await mutateFirmly(other.url, 'pay', input, { key: 'resumable' })).status).toBe(200);
    expect(await stage.effects('resumable')).toEqual(PAID);
  });

  test('SIGTERM: what runs is finished and answered, new calls get 503, and the process ends by itself', async () => {
    const input = { amount: 1250, gate: 'after charge' };
    const server = await stage.start();
    const running = mutate(server.url, 'pay', input, { key: 'drained' });
    const { id } = await server.message((message) => message.at === 'after charge');
    const exited = server.terminate();
    let refused = await mutate(server.url, 'order', { sku: 'a' }, { key: 'drain-0' });
    for (let n = 1; refused.status === 200; n++) {
      refused = await mutate(server.url, 'order', { sku: 'a' }, { key: `drain-${n}` });
    }
    expect([refused.status, refused.code, refused.headers.get('retry-after')]).toEqual([
      503,
      'store_unavailable',
      '1',
    ]);
    server.send({ open: id });
    expect((await running).status).toBe(200);
    expect(await exited).toEqual({ code: 0, signal: null });
    expect(await stage.effects('drained')).toEqual(PAID);
  });
});

describe('a database that cannot be reached from the start', () => {
  test.each(['refuses', 'never answers'] as const)(
    'and %s: 503 with Retry-After, and nothing runs',
    async (how) => {
      const hole = createServer(() => {}); // accepts and says nothing
      await new Promise<void>((resolve) => hole.listen(0, '127.0.0.1', resolve));
      const { port } = hole.address() as { port: number };
      if (how === 'refuses') await new Promise((resolve) => hole.close(resolve));
      const server = await stage.start({ databaseUrl: `postgres://postgres@127.0.0.1:${port}/postgres` });
      const calls = [
        mutate(server.url, 'order', { sku: 'book' }, { key: `away-order-${port}` }),
        mutate(server.url, 'pay', { amount: 1250, gate: 'before charge' }, { key: `away-pay-${port}` }),
      ];
      for (const answer of await Promise.all(calls)) {
        expect([answer.status, answer.code]).toEqual([503, 'store_unavailable']);
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      }
      // Its gate was never reached: the handler didn't begin.
      expect(await stage.effects(`away-pay-${port}`)).toEqual({
        orders: 0,
        payments: 0,
        reservations: 0,
        charges: 0,
      });
      await server.kill();
      hole.close();
    },
  );
});
