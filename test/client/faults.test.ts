// One action over a network that breaks, on every carrier: its effect happens once, and the caller learns the truth.

import { outcomeOf, SemelClientError } from '@semel/client';
import { TRPCClientError } from '@trpc/client';
import { describe, expect, it, vi } from 'vitest';
import { CARRIERS, marked } from './customer.ts';
import { cutNextAnswer, cutNextCall, loseNextAnswer } from './network.ts';
import { setStage } from './stage.ts';

const at = new Date('2026-11-22T06:00:00Z');
const KEY = { context: { idempotencyKey: 'order-7' } };

describe.each(CARRIERS)('over %s', (carrier) => {
  const completed = (replayed: boolean) => ({
    status: 'completed',
    data: { orderId: 'tea-1', at },
    replayed: marked(carrier, replayed),
    key: 'order-7',
  });

  it('an order on a network that works is one order, and asked again it is a replay', async () => {
    const { shop, customer } = await setStage();
    const { api, attempts } = customer(carrier);
    const order = () => outcomeOf(() => api.order.mutate({ sku: 'tea', at }, KEY));
    expect(await order()).toEqual(completed(false));
    expect(await order()).toEqual(completed(true));
    expect(attempts()).toBe(2);
    expect(shop.effects).toEqual([{ key: 'order-7', sku: 'tea' }]);
  });

  it('a lost answer comes again, marked as the replay that it is', async () => {
    const { shop, proxy, customer } = await setStage();
    const { api, keys, attempts } = customer(carrier, { retry: { attemptTimeoutMs: 10_000 } });
    const lost = loseNextAnswer(proxy);
    const outcome = outcomeOf(() => api.order.mutate({ sku: 'tea', at }, KEY));
    const connection = await lost;
    // A stream begins its answer before there is one.
    await vi.waitFor(() => expect(shop.events.some(({ type }) => type === 'executed')).toBe(true), {
      interval: 2,
    });
    connection.reset();
    expect(await outcome).toEqual(completed(true));
    expect(attempts()).toBe(2);
    expect(keys()).toEqual(['order-7']);
    expect(shop.effects).toHaveLength(1);
  });

  it('a request that never arrived is sent again, and its answer is no replay', async () => {
    const { shop, proxy, customer } = await setStage();
    const { api, attempts } = customer(carrier);
    cutNextCall(proxy);
    expect(await outcomeOf(() => api.order.mutate({ sku: 'tea', at }, KEY))).toEqual(completed(false));
    expect(attempts()).toBe(2);
    expect(shop.effects).toHaveLength(1);
  });

  it.each([0, 1, 60, 100, -10])(
    'an answer that is cut after %i bytes (or before its end) is no answer',
    async (bytes) => {
      const { shop, proxy, customer } = await setStage();
      const { api, attempts } = customer(carrier);
      cutNextAnswer(proxy, bytes);
      expect(await outcomeOf(() => api.order.mutate({ sku: 'tea', at }, KEY))).toMatchObject({
        status: 'completed',
        data: { orderId: 'tea-1', at },
      });
      expect(attempts()).toBeGreaterThan(1);
      expect(shop.effects).toHaveLength(1);
    },
  );

  it('answers that come later than attempts last are had in the end', async () => {
    const { shop, proxy, customer } = await setStage();
    const { api, next, attempts } = customer(carrier, { retry: { attemptTimeoutMs: 60 } });
    proxy.setFaults({ toClient: { latencyMs: 100 } });
    const outcome = outcomeOf(() => api.order.mutate({ sku: 'tea', at }, KEY));
    await next('retry');
    await next('retry');
    proxy.setFaults({});
    expect(await outcome).toMatchObject({ status: 'completed', data: { orderId: 'tea-1' } });
    expect(attempts()).toBeGreaterThan(2);
    expect(shop.effects).toHaveLength(1);
  });

  it('a server that refuses connections is asked until it doesn’t', async () => {
    const { shop, proxy, customer } = await setStage();
    await proxy.refuse();
    const { api, next } = customer(carrier, { retry: { attemptTimeoutMs: 150 } });
    const outcome = outcomeOf(() => api.order.mutate({ sku: 'tea', at }, KEY));
    await next('retry');
    expect(shop.effects).toEqual([]);
    await proxy.accept();
    expect(await outcome).toMatchObject({ status: 'completed', data: { orderId: 'tea-1', at } });
    expect(shop.effects).toHaveLength(1);
  });

  it('a warm connection whose other end is gone costs one attempt', async () => {
    const { shop, proxy, customer } = await setStage();
    const { api } = customer(carrier);
    await api.order.mutate({ sku: 'bread' });
    for (const connection of proxy.connections) {
      connection.blackhole('toClient');
      connection.blackhole('toServer');
    }
    expect(await outcomeOf(() => api.order.mutate({ sku: 'tea', at }, KEY))).toEqual(completed(false));
    expect(shop.effects.map(({ sku }) => sku)).toEqual(['bread', 'tea']);
  });

  it('a caller who gives up gets told at once, the order stands, and the same key has its answer', async () => {
    const { shop, customer } = await setStage();
    const { api, attempts } = customer(carrier);
    const gate = shop.hold();
    const user = new AbortController();
    const outcome = outcomeOf(() => api.order.mutate({ sku: 'tea', at }, { ...KEY, signal: user.signal }));
    await gate.arrived;
    user.abort(new Error('closed the page'));
    expect(await outcome).toMatchObject({ status: 'unknown', reason: 'aborted', key: 'order-7' });
    gate.open();
    expect(await outcomeOf(() => api.order.mutate({ sku: 'tea', at }, KEY))).toMatchObject({
      status: 'completed',
      data: { orderId: 'tea-1' },
    });
    expect(attempts()).toBe(2);
    expect(shop.effects).toHaveLength(1);
  });

  it('what isn’t known at the deadline is called unknown, with the key that finds out', async () => {
    const { shop, proxy, customer } = await setStage();
    const { api } = customer(carrier, { retry: { deadlineMs: 500, attemptTimeoutMs: 200 } });
    proxy.setFaults({ toClient: { blackhole: true } });
    // The handshake of a socket needs an answer too: it is made before.
    if (carrier === 'wsLink') {
      proxy.setFaults({});
      await api.order.mutate({ sku: 'bread' });
      proxy.setFaults({ toClient: { blackhole: true } });
    }
    const thrown = await api.order.mutate({ sku: 'tea', at }, KEY).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(TRPCClientError);
    const outcome = SemelClientError.from(thrown)?.outcome;
    expect(outcome).toMatchObject({ status: 'unknown', key: 'order-7' });
    expect(['timeout', 'network']).toContain(outcome?.status === 'unknown' && outcome.reason);
    proxy.setFaults({});
    proxy.cut();
    expect(await outcomeOf(() => api.order.mutate({ sku: 'tea', at }, KEY))).toEqual(completed(true));
    expect(shop.effects.filter(({ key }) => key === 'order-7')).toHaveLength(1);
  });
});
