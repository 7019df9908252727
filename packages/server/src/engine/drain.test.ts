import { expect, test } from 'vitest';
import { policyFrom } from '../admission/policy.ts';
import { createSemel } from '../semel.ts';
import { createMemoryStore } from '../store/memory.ts';
import { createOutcomeCodec } from './outcome.ts';
import type { RunRequest } from './request.ts';

const request = (key: string, effects: 'steps' | 'unknown'): RunRequest => ({
  scope: 'alice',
  procedure: 'p',
  key,
  ageMs: undefined,
  fingerprint: 'v1:f',
  policy: policyFrom({ mode: 'leased', effects }),
  failures: { statusOf: () => undefined, describe: () => ({ httpStatus: 500, code: 'X', message: '' }) },
  outcomes: createOutcomeCodec(),
  trace: { actor: 'request' },
});

test('a drain waits for what runs and refuses what comes', async () => {
  const { engine } = createSemel({ store: createMemoryStore(), recovery: false });
  const started = Promise.withResolvers<void>();
  const finished = Promise.withResolvers<void>();
  const running = engine.run(request('a', 'unknown'), () => {
    started.resolve();
    return finished.promise;
  });
  await started.promise;
  const drained = engine.drain(10_000);
  expect(await engine.run(request('b', 'unknown'), async () => 'never')).toMatchObject({
    kind: 'refused',
    problem: { code: 'store_unavailable', retryAfterMs: 1000 },
  });
  finished.resolve();
  expect(await drained).toBe(0);
  expect(await running).toMatchObject({ kind: 'completed' });
});

test('a claim that is won after the deadline begins nothing, and goes back whatever its policy says of a crash', async () => {
  const memory = createMemoryStore();
  const slow = Promise.withResolvers<void>();
  const store = {
    ...memory,
    claim: async (asked: Parameters<typeof memory.claim>[0]) => {
      await slow.promise;
      return memory.claim(asked);
    },
  };
  const { engine } = createSemel({ store, recovery: false });
  let began = 0;
  const running = engine.run(request('a', 'unknown'), async () => ++began);
  expect(await engine.drain(1)).toBe(1);
  engine.close();
  slow.resolve();
  expect(await running).toMatchObject({ kind: 'refused', problem: { code: 'store_unavailable' } });
  expect(began).toBe(0);
  const seen = await memory.lookup({ scope: 'alice', procedure: 'p', key: 'a' });
  expect(seen?.record.state).toBe('released');
});

test('at the deadline signals abort, and what may resume is released for another server', async () => {
  const store = createMemoryStore();
  const { engine } = createSemel({ store, recovery: false });
  const signals: AbortSignal[] = [];
  const hang = (operation: { signal: AbortSignal }) => {
    signals.push(operation.signal);
    return new Promise<never>(() => undefined);
  };
  void engine.run(request('steps', 'steps'), hang);
  void engine.run(request('unknown', 'unknown'), hang);
  await new Promise((resolve) => setImmediate(resolve));
  expect(await engine.drain(1)).toBe(2);
  expect(signals.map((signal) => signal.aborted)).toEqual([true, true]);
  const state = async (key: string) =>
    (await store.lookup({ scope: 'alice', procedure: 'p', key }))?.record.state;
  expect(await state('steps')).toBe('released');
  expect(await state('unknown')).toBe('processing');
});
