// What a server says, and what its caller learns: every answer of the contract, from a real server, on every carrier.
import { outcomeOf, SemelClientError } from '@semel/client';
import { createMemoryStore } from '@semel/server';
import type { Store } from '@semel/server/store';
import { TRPCClientError } from '@trpc/client';
import { describe, expect, it, vi } from 'vitest';
import { CARRIERS, createCustomer } from './customer.ts';
import { loseNextAnswer } from './network.ts';
import { startShop } from './shop.ts';
import { afterwards, setStage } from './stage.ts';

const KEY = { context: { idempotencyKey: 'order-7' } };

describe.each(CARRIERS)('over %s', (carrier) => {
  it('a final failure whose answer was lost comes back in the application’s own shape', async () => {
    const { shop, proxy, customer } = await setStage();
    const { api, attempts } = customer(carrier, { retry: { attemptTimeoutMs: 10_000 } });
    const lost = loseNextAnswer(proxy);
    const decline = () => api.decline.mutate({ sku: 'tea' }, KEY).catch((error: unknown) => error);
    const first = decline();
    const connection = await lost;
    await vi.waitFor(() => expect(shop.events.some(({ type }) => type === 'executed')).toBe(true), {
      interval: 2,
    });
    connection.reset();
    const shape = {
      message: 'card_declined',
      code: -32002,
      data: { code: 'PAYMENT_REQUIRED', httpStatus: 402, path: 'decline', shop: 'Semel & Sons', declined: 1 },
    };
    for (const thrown of [await first, await decline()]) {
      expect(thrown).toBeInstanceOf(TRPCClientError);
      expect(thrown).toMatchObject({ message: 'card_declined', shape });
      expect(SemelClientError.from(thrown)).toBeUndefined();
    }
    expect(attempts()).toBe(3);
    expect(shop.effects).toHaveLength(1);
  });

  it('a stumble of the handler is got over under one key', async () => {
    const { shop, customer } = await setStage();
    const { api } = customer(carrier);
    const outcome = await outcomeOf(() => api.stumble.mutate({ sku: 'tea' }, KEY));
    expect(outcome).toMatchObject({ status: 'completed', data: { sku: 'tea', attempt: 3 }, key: 'order-7' });
    expect(shop.effects).toEqual([{ key: 'order-7', sku: 'tea' }]);
  });

  it('a key that was used for something else is refused, and no other key is ever tried', async () => {
    const { shop, customer } = await setStage();
    const { api, attempts, keys } = customer(carrier);
    await api.order.mutate({ sku: 'tea' }, KEY);
    const outcome = await outcomeOf(() => api.order.mutate({ sku: 'coffee' }, KEY));
    expect(outcome).toMatchObject({ status: 'rejected', key: 'order-7', problem: { code: 'key_reused' } });
    if (outcome.status === 'rejected') {
      expect(outcome.error).toBeInstanceOf(TRPCClientError);
      expect(outcome.error).toMatchObject({ data: { httpStatus: 422, shop: 'Semel & Sons' } });
    }
    expect(attempts()).toBe(2);
    expect(keys()).toEqual(['order-7']);
    expect(new Set(shop.events.map((event) => 'key' in event && event.key))).toEqual(new Set(['order-7']));
    expect(shop.effects).toEqual([{ key: 'order-7', sku: 'tea' }]);
  });

  it('two clients with one key get one order and one answer', async () => {
    const { shop, customer } = await setStage();
    const gate = shop.hold();
    const [one, two] = [customer(carrier), customer(carrier)];
    const [first, second] = [one, two].map(({ api }) =>
      outcomeOf(() => api.order.mutate({ sku: 'tea' }, KEY)),
    );
    await gate.arrived;
    gate.open();
    expect(await first).toMatchObject({ status: 'completed', data: { orderId: 'tea-1' } });
    expect(await second).toMatchObject({ status: 'completed', data: { orderId: 'tea-1' } });
    expect(shop.effects).toHaveLength(1);
  });

  it('who comes while the order is being made waits for it, at the cost of no attempt, and gets its answer', async () => {
    const { shop, customer } = await setStage();
    const gate = shop.hold();
    const [one, two] = [customer(carrier), customer(carrier, { retry: { maxAttempts: 1 } })];
    const first = outcomeOf(() => one.api.impatient.mutate({ sku: 'tea' }, KEY));
    await gate.arrived;
    const waits = two.next('wait');
    const second = outcomeOf(() => two.api.impatient.mutate({ sku: 'tea' }, KEY));
    expect(await waits).toMatchObject({ code: 'in_flight', key: 'order-7' });
    gate.open();
    expect(await first).toMatchObject({ status: 'completed', data: { sku: 'tea' } });
    expect(await second).toMatchObject({ status: 'completed', data: { sku: 'tea' } });
    expect(two.events.some(({ type }) => type === 'retry')).toBe(false);
    expect(shop.effects).toHaveLength(1);
  });

  it('who can’t wait that long is told that it is in flight', async () => {
    const { shop, customer } = await setStage();
    const gate = shop.hold();
    const [one, two] = [customer(carrier), customer(carrier, { retry: { deadlineMs: 400 } })];
    const first = one.api.impatient.mutate({ sku: 'tea' }, KEY);
    await gate.arrived;
    const outcome = await outcomeOf(() => two.api.impatient.mutate({ sku: 'tea' }, KEY));
    expect(outcome).toMatchObject({ status: 'in_flight', key: 'order-7' });
    gate.open();
    expect(await first).toEqual({ sku: 'tea' });
    expect(shop.effects).toHaveLength(1);
  });

  it('what the server doesn’t know is unknown to the caller, with the key, and isn’t done again', async () => {
    const { shop, customer } = await setStage();
    const { api } = customer(carrier);
    for (let i = 0; i < 2; i++) {
      const thrown = await api.silent.mutate({ sku: 'tea' }, KEY).catch((error: unknown) => error);
      expect(thrown).toBeInstanceOf(TRPCClientError);
      expect(SemelClientError.from(thrown)).toMatchObject({
        code: 'outcome_unknown',
        outcome: { status: 'unknown', reason: 'outcome_unknown', key: 'order-7' },
      });
    }
    expect(shop.effects).toHaveLength(1);
  });

  it('a server that is leaving is asked later, and its successor does it', async () => {
    const store = createMemoryStore() as Store<unknown>;
    const leaving = await startShop(store);
    let successor: Awaited<ReturnType<typeof startShop>> | undefined;
    afterwards(() => (successor ?? leaving).close());
    const { api, next, close, events } = createCustomer(carrier, leaving.port);
    afterwards(close);
    await leaving.semel.drain(0);
    const refused = next('retry');
    const outcome = outcomeOf(() => api.order.mutate({ sku: 'tea' }, KEY));
    expect(await refused).toMatchObject({ reason: 'store', key: 'order-7' });
    await leaving.close();
    successor = await startShop(store, { effects: leaving.effects, port: leaving.port });
    expect(await outcome).toMatchObject({ status: 'completed', data: { orderId: 'tea-1' } });
    // It had said when to come back, and nobody came earlier.
    const [retry] = events.filter(({ type }) => type === 'retry') as { waitMs: number }[];
    expect(retry?.waitMs).toBeGreaterThanOrEqual(1000);
    expect(leaving.effects).toHaveLength(1);
  });

  it('a call that was turned away with nothing begun is unknown: a browser may have sent it twice', async () => {
    const { shop, customer } = await setStage();
    const { api } = customer(carrier, { retry: { maxAttempts: 1 } });
    await shop.semel.drain(0);
    expect(await outcomeOf(() => api.order.mutate({ sku: 'tea' }, KEY))).toMatchObject({
      status: 'unknown',
      reason: 'server',
      key: 'order-7',
    });
    expect(shop.effects).toEqual([]);
  });
});

describe.each(['httpBatchLink', 'httpBatchStreamLink'] as const)('a batch over %s', (carrier) => {
  it('of fifty orders whose one answer is lost comes back as a batch: fifty orders', async () => {
    const { shop, proxy, customer } = await setStage();
    const { api, semel, events } = customer(carrier, {
      retry: { attemptTimeoutMs: 10_000, baseMs: 50, budget: { max: 1, refillPerSuccess: 0 } },
    });
    let requests = 0;
    const lost = loseNextAnswer(proxy);
    const orders = Array.from({ length: 50 }, (_, i) =>
      outcomeOf(() => api.order.mutate({ sku: `tea-${i}` }, { context: { idempotencyKey: `k-${i}` } })),
    );
    const connection = await lost;
    const executed = () => shop.events.filter(({ type }) => type === 'executed').length;
    await vi.waitFor(() => expect(executed()).toBe(50), { interval: 5 });
    proxy.setFaults({
      onData(direction, chunk) {
        if (direction === 'toServer' && chunk.toString('latin1', 0, 5) === 'POST ') requests++;
        return 'pass';
      },
    });
    connection.reset();
    for (const [i, outcome] of (await Promise.all(orders)).entries()) {
      expect(outcome).toEqual({
        status: 'completed',
        data: { orderId: `tea-${i}-1`, at: undefined },
        replayed: carrier === 'httpBatchLink' ? true : undefined,
        key: `k-${i}`,
      });
    }
    expect(requests).toBe(1);
    expect(events.filter(({ type }) => type === 'attempt')).toHaveLength(100);
    expect(new Set(shop.effects.map(({ key }) => key)).size).toBe(50);
    expect(shop.effects).toHaveLength(50);
    expect(await semel.journal.list()).toEqual([]);
  });

  it('with one refusal, one replay and one new order in it gives each caller their own', async () => {
    const { shop, customer } = await setStage();
    const { api } = customer(carrier);
    await api.order.mutate({ sku: 'tea' }, { context: { idempotencyKey: 'old' } });
    await api.order.mutate({ sku: 'tea' }, { context: { idempotencyKey: 'older' } });
    const [replay, refusal, reused, fresh] = await Promise.all([
      outcomeOf(() => api.order.mutate({ sku: 'tea' }, { context: { idempotencyKey: 'old' } })),
      outcomeOf(() => api.decline.mutate({ sku: 'tea' }, { context: { idempotencyKey: 'no' } })),
      outcomeOf(() => api.order.mutate({ sku: 'other' }, { context: { idempotencyKey: 'older' } })),
      outcomeOf(() => api.order.mutate({ sku: 'bread' }, { context: { idempotencyKey: 'new' } })),
    ]);
    const stream = carrier === 'httpBatchStreamLink';
    expect(replay).toMatchObject({ status: 'completed', data: { orderId: 'tea-1' }, key: 'old' });
    expect(replay).toHaveProperty('replayed', stream ? undefined : true);
    expect(refusal).toMatchObject({ status: 'rejected', error: { message: 'card_declined' } });
    expect(reused).toMatchObject({ status: 'rejected', problem: { code: 'key_reused' } });
    expect(fresh).toMatchObject({ status: 'completed', data: { orderId: 'bread-1' } });
    expect(fresh).toHaveProperty('replayed', stream ? undefined : false);
    expect(shop.effects.map(({ key }) => key).toSorted()).toEqual(['new', 'no', 'old', 'older']);
  });
});
