import { expect, test } from 'vitest';
import { type IdempotencyPolicy, policyFrom } from '../../admission/policy.ts';
import type { Operation } from '../../engine/operation.ts';
import { createOutcomeCodec } from '../../engine/outcome.ts';
import type { RunRequest } from '../../engine/request.ts';
import { createSemel } from '../../semel.ts';
import { createMemoryStore } from '../../store/memory.ts';

// What seeds have found in the engine, each as small as it gets: a seed means another run once the simulation changes.

const identity = { scope: 'alice', procedure: 'p', key: 'k' } as const;
const call = (policy: IdempotencyPolicy, ageMs?: number): RunRequest => ({
  ...identity,
  ageMs,
  fingerprint: 'v1:f',
  policy: policyFrom(policy),
  failures: { statusOf: () => undefined, describe: () => ({ httpStatus: 409, code: 'NO', message: 'no' }) },
  outcomes: createOutcomeCodec(),
  trace: { actor: 'request' },
});

test("a duplicate isn't told that its key has expired because of the age of another's", async () => {
  const memory = createMemoryStore();
  const [looking, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const store: typeof memory = {
    ...memory,
    async lookup(asked) {
      looking.resolve();
      await go.promise;
      return memory.lookup(asked);
    },
  };
  const { engine } = createSemel({ store, recovery: false });
  const handler = async () => 'paid';
  const old = engine.run(call({ mode: 'leased' }, 24 * 3_600_000), handler);
  await looking.promise;
  const young = engine.run(call({ mode: 'leased' }), handler);
  go.resolve();
  expect(await old).toMatchObject({ kind: 'refused', problem: { code: 'key_expired' } });
  expect(await young).toMatchObject({ kind: 'refused', problem: { code: 'in_flight' } });
});

test('an atomic call whose key may have been forgotten is refused, though nothing was looked up before', async () => {
  const store = createMemoryStore();
  const { engine } = createSemel({ store, recovery: false });
  let ran = 0;
  const result = await engine.run(call({ mode: 'atomic', ttlMs: 1000 }, 600), async () => ++ran);
  expect(result).toMatchObject({ kind: 'refused', problem: { code: 'key_expired' } });
  expect(ran).toBe(0);
  expect(await store.lookup(identity)).toBeUndefined();
});

/** One side says no while the other is still out. */
const noAndSilence = (charge: Promise<string>) => async (operation: Operation) =>
  Promise.all([
    operation.step('charge', () => charge),
    operation.step('reserve', async () => {
      throw operation.refuse({ code: 'NO' });
    }),
  ]);

test('a "no" is not stored over a step whose answer got lost after it', async () => {
  const store = createMemoryStore();
  const { engine } = createSemel({ store, recovery: false });
  const charge = Promise.withResolvers<string>();
  const running = engine.run(call({ mode: 'leased' }), noAndSilence(charge.promise));
  setImmediate(() => charge.reject(new Error('timeout')));
  expect(await running).toMatchObject({ kind: 'refused', problem: { code: 'outcome_unknown' } });
  expect((await store.lookup(identity))?.record.state).toBe('suspended');
});

test('a caller is not given a "no" that was not stored', async () => {
  const store = createMemoryStore();
  const { engine } = createSemel({ store, recovery: false });
  const never = new Promise<string>(() => undefined);
  const policy = { mode: 'leased', effects: 'steps', maxRunMs: 60 } as const;
  const running = engine.run(call(policy), noAndSilence(never));
  await expect(running).rejects.toThrow('A step was still running when the handler ended');
  expect((await store.lookup(identity))?.record.state).toBe('released');
});
