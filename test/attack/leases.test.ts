import type { Operation } from '@semel/server';
import { createMemoryStore } from '@semel/server/store';
import { expect, test } from 'vitest';
import { call, semelOn, stateOf } from './attack.ts';

test('a claim whose answer came after its lease had run out asks before it acts', async () => {
  const store = createMemoryStore();
  const claimed = Promise.withResolvers<void>();
  const mayGoOn = Promise.withResolvers<void>();
  const slow: typeof store = {
    ...store,
    async claim(request) {
      const answer = await store.claim(request);
      claimed.resolve();
      await mayGoOn.promise; // paused just here
      return answer;
    },
  };
  const policy = { mode: 'leased', leaseMs: 100, effects: 'steps', inFlight: 'conflict' } as const;
  const [paused, other] = [semelOn(slow).engine, semelOn(store).engine];
  let charges = 0;
  const charge = (operation: Operation) => operation.step('charge', async () => ++charges);
  const first = paused.run(call(policy), charge);
  await claimed.promise;
  await expect
    .poll(() => other.run(call(policy), charge), { timeout: 20_000 })
    .toMatchObject({ kind: 'completed', value: 1 });
  mayGoOn.resolve();
  expect(await first).toMatchObject({ kind: 'refused', problem: { code: 'lease_lost' } });
  expect(charges).toBe(1);
});

test('what a handler still does after settle is neither aborted nor reported as fenced off', async () => {
  const store = createMemoryStore();
  const { engine, events } = semelOn(store);
  const request = call({ mode: 'leased', leaseMs: 100 });
  let aborted: boolean | undefined;
  const result = await engine.run(request, async (operation) => {
    await operation.settle(async () => 'done');
    await new Promise((resolve) => setTimeout(resolve, 150));
    aborted = operation.signal.aborted;
  });
  expect(result).toMatchObject({ kind: 'completed', value: 'done' });
  expect(aborted).toBe(false);
  expect(events.filter((event) => event.type === 'fenced')).toEqual([]);
});

test('a drain does not try to release what is settled', async () => {
  const store = createMemoryStore();
  const { engine } = semelOn(store);
  const request = call({ mode: 'leased', effects: 'steps' });
  const settled = Promise.withResolvers<string>();
  void engine.run(request, async (operation) => {
    await operation.settle(async () => 'done');
    settled.resolve(operation.id);
    await new Promise<never>(() => {});
  });
  const id = await settled.promise;
  await engine.drain(1);
  expect(await stateOf(store, request)).toBe('completed');
  expect(await store.rejected(id)).toEqual([]);
});

test('a renewal without an answer does not keep other leases from being renewed', async () => {
  const store = createMemoryStore();
  let hung = 0;
  const stuck: typeof store = {
    ...store,
    renew: (claims) => (hung++ === 0 ? new Promise<never>(() => {}) : store.renew(claims)),
  };
  const { engine } = semelOn(stuck);
  const request = call({ mode: 'leased', leaseMs: 150 });
  let isRenewed = false;
  await engine.run(request, async () => {
    const leaseUntil = async () => (await store.lookup(request))?.record.leaseUntil ?? 0;
    const before = await leaseUntil();
    await expect.poll(leaseUntil, { timeout: 20_000 }).toBeGreaterThan(before);
    isRenewed = true;
  });
  expect(isRenewed).toBe(true);
});

test('a drain that gives an attempt up raises no alert of a refused write', async () => {
  const store = createMemoryStore();
  const { engine, events } = semelOn(store);
  const begun = Promise.withResolvers<void>();
  void engine.run(call({ mode: 'leased', effects: 'steps' }), () => {
    begun.resolve();
    return new Promise<never>(() => {});
  });
  await begun.promise;
  await engine.drain(1);
  expect(events.filter((event) => event.type === 'fenced')).toEqual([]);
});

test('a renewal that meets the attempt just settled raises no alert', async () => {
  const store = createMemoryStore();
  const renewed = Promise.withResolvers<void>();
  const crossed: typeof store = {
    ...store,
    async settle(...args) {
      const settled = await store.settle(...args);
      await renewed.promise; // the answer to the settlement comes after that to a renewal sent later
      await new Promise((resolve) => setTimeout(resolve, 5));
      return settled;
    },
    async renew(claims) {
      const answer = await store.renew(claims);
      renewed.resolve();
      return answer;
    },
  };
  const { engine, events } = semelOn(crossed);
  const result = await engine.run(call({ mode: 'leased', leaseMs: 100 }), async () => 'done');
  expect(result).toMatchObject({ kind: 'completed' });
  expect(events.filter((event) => event.type === 'fenced')).toEqual([]);
});
