import type { Operation } from '@semel/server';
import { createMemoryStore, StoreUnavailable } from '@semel/server/store';
import { expect, test } from 'vitest';
import { call, semelOn, stateOf } from './attack.ts';

const LEASED = { mode: 'leased', leaseMs: 3_000, inFlight: 'conflict' } as const;

test('a step that was done and could not be recorded is not done again by the next attempt', async () => {
  const store = createMemoryStore();
  let away = true;
  const flaky: typeof store = {
    ...store,
    recordStep: (...args) => (away ? Promise.reject(new StoreUnavailable()) : store.recordStep(...args)),
  };
  const { engine } = semelOn(flaky);
  let charges = 0;
  const handler = (operation: Operation) =>
    operation.step('charge', async () => {
      charges++;
      return 'charged';
    });
  const request = call(LEASED);
  const first = await engine.run(request, handler).catch((error: unknown) => ({ kind: 'threw', error }));
  expect(first).toMatchObject({ kind: 'refused', problem: { code: 'outcome_unknown' } });
  expect(await stateOf(store, request)).toBe('suspended');
  away = false;
  await engine.run(request, handler).catch(() => {});
  expect(charges).toBe(1);
});

test('a step whose result can not be written down is not done again by the next attempt', async () => {
  const store = createMemoryStore();
  const { engine } = semelOn(store);
  let charges = 0;
  const handler = (operation: Operation) =>
    operation.step('charge', async () => {
      charges++;
      return {
        get id(): string {
          throw new Error('closed');
        },
      };
    });
  const request = call(LEASED);
  await engine.run(request, handler).catch(() => {});
  await engine.run(request, handler).catch(() => {});
  expect(charges).toBe(1);
  expect(await stateOf(store, request)).toBe('suspended');
});

test('an attempt whose handler threw is not given up while one of its steps still runs', async () => {
  const store = createMemoryStore();
  const { engine } = semelOn(store);
  const answered = Promise.withResolvers<string>();
  const begun = Promise.withResolvers<void>();
  let charges = 0;
  const handler = async (operation: Operation) =>
    Promise.all([
      operation.step('charge', () => {
        charges++;
        begun.resolve();
        return answered.promise;
      }),
      begun.promise.then(() => {
        throw new Error('for now');
      }),
    ]);
  const request = call(LEASED);
  const first = engine.run(request, handler).catch((error: unknown) => error);
  await begun.promise;
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await stateOf(store, request)).toBe('processing');
  answered.resolve('charged');
  expect(await first).toMatchObject({ message: 'for now' });
  expect(await stateOf(store, request)).toBe('released');
  await engine.run(request, (operation) => operation.step('charge', async () => `${++charges}`));
  expect(charges).toBe(1);
});

test('a step that never answers leaves its operation suspended, not released', async () => {
  const store = createMemoryStore();
  const { engine } = semelOn(store);
  const request = call({ ...LEASED, leaseMs: 5000, maxRunMs: 60 });
  const result = await engine.run(request, async (operation) => {
    void operation.step('charge', () => new Promise<never>(() => {}));
    await new Promise((resolve) => setTimeout(resolve, 5));
    throw new Error('for now');
  });
  expect(result).toMatchObject({ kind: 'refused', problem: { code: 'outcome_unknown' } });
  expect(await stateOf(store, request)).toBe('suspended');
});

test('a settlement that the handler forgot to wait for is the outcome', async () => {
  const store = createMemoryStore();
  const { engine } = semelOn(store);
  const request = call(LEASED);
  const result = await engine.run(request, async (operation) => {
    void operation
      .settle(async (tx) => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        (tx as { set(key: string, value: unknown): void }).set('paid', true);
        return 'settled';
      })
      .catch(() => {});
    return 'returned';
  });
  expect(result).toMatchObject({ kind: 'completed', value: 'settled' });
  expect(store.committed.get('paid')).toBe(true);
});

test('a step can not begin after its attempt has ended', async () => {
  const store = createMemoryStore();
  const { engine } = semelOn(store);
  const late: Operation[] = [];
  const request = call(LEASED);
  const first = engine.run(request, async (operation) => {
    late.push(operation);
    throw new Error('for now');
  });
  await expect(first).rejects.toThrow('for now');
  expect(await stateOf(store, request)).toBe('released');
  let charges = 0;
  await late[0]?.step('charge', async () => charges++).catch(() => {});
  expect(charges).toBe(0);
});

test('another operation that lost its lease is not taken for the one that called it', async () => {
  const store = createMemoryStore();
  const { engine } = semelOn(store);
  const [outer, inner] = [call(LEASED), call(LEASED, { key: 'inner' })];
  const first = engine.run(outer, async () => {
    const called = await engine.run(inner, async (operation) => {
      const found = await store.lookup(inner);
      if (found === undefined) throw new Error('no record');
      // Somebody else ended it.
      await store.settle(
        { ...found.record, now: found.now },
        { to: 'suspended', cause: 'outcome_unknown' },
        { actor: 'test' },
      );
      await operation.transaction('t', async () => 1);
    });
    throw Object.assign(new Error('inner call failed'), {
      cause: called.kind === 'refused' ? called.cause : undefined,
    });
  });
  await first.catch(() => {});
  expect(await stateOf(store, outer)).toBe('released');
});
