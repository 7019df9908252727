import { createMemoryStore } from '@semel/server/store';
import { expect, test } from 'vitest';
import { call, semelOn, stateOf } from './attack.ts';

test('a handler that never ends does not keep the stored answer from later callers of its process', async () => {
  const store = createMemoryStore();
  const [stuck, other] = [semelOn(store).engine, semelOn(store).engine];
  const request = call({
    mode: 'leased',
    leaseMs: 100,
    maxRunMs: 100,
    effects: 'steps',
    inFlight: 'conflict',
  });
  void stuck.run(request, () => new Promise<never>(() => {}));
  await expect
    .poll(() => other.run(request, async () => 'done'), { timeout: 20_000 })
    .toMatchObject({ kind: 'completed' });
  expect(await stuck.run(request, async () => 'again')).toMatchObject({
    kind: 'completed',
    value: 'done',
    replayed: true,
  });
});

test('an atomic handler that never ends does not keep its key for ever', async () => {
  const store = createMemoryStore();
  const { engine } = semelOn(store);
  const request = call({ mode: 'atomic', maxRunMs: 100, inFlight: 'conflict' });
  void engine.run(request, () => new Promise<never>(() => {}));
  await expect
    .poll(() => engine.run(request, async () => 'done'), { timeout: 20_000 })
    .toMatchObject({ kind: 'completed', value: 'done' });
  expect(await stateOf(store, request)).toBe('completed');
});

test('callers that wait for another process count as waiters', async () => {
  const store = createMemoryStore();
  const elsewhere = semelOn(store).engine;
  const policy = { mode: 'leased', inFlight: { waitMs: 400 } } as const;
  const requests = ['a', 'b', 'c'].map((key) => call(policy, { key }));
  for (const request of requests) void elsewhere.run(request, () => new Promise<never>(() => {}));
  await expect
    .poll(() => stateOf(store, requests[2] ?? call(policy)), { timeout: 20_000 })
    .toBe('processing');
  let looks = 0;
  const counted: typeof store = {
    ...store,
    lookup: (identity) => {
      looks++;
      return store.lookup(identity);
    },
  };
  const { engine } = semelOn(counted, 0);
  const results = await Promise.all(requests.map((request) => engine.run(request, async () => 'never')));
  expect(results.map((result) => result.kind)).toEqual(['refused', 'refused', 'refused']);
  expect(looks).toBe(0);
});
