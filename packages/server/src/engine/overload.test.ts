import { expect, test } from 'vitest';
import { policyFrom } from '../admission/policy.ts';
import { createSemel } from '../semel.ts';
import { createProcessLayer } from '../store/layer-process.ts';
import { createMemoryStore } from '../store/memory.ts';
import { createOutcomeCodec } from './outcome.ts';
import type { RunRequest } from './request.ts';

const request = (key: string): RunRequest => ({
  scope: 'alice',
  procedure: 'p',
  key,
  ageMs: undefined,
  fingerprint: 'v1:f',
  policy: policyFrom({ mode: 'leased' }),
  failures: { statusOf: () => undefined, describe: () => ({ httpStatus: 500, code: 'X', message: '' }) },
  outcomes: createOutcomeCodec(),
  trace: { actor: 'request' },
});

test('a process that is full turns strangers away before anything begins, and lets duplicates join', async () => {
  const store = createMemoryStore();
  const { engine } = createSemel({ store, recovery: false, maxRunning: 2 });
  const finished = Promise.withResolvers<string>();
  let runs = 0;
  const work = () => {
    runs++;
    return finished.promise;
  };
  const running = [engine.run(request('a'), work), engine.run(request('b'), work)];
  await expect.poll(() => runs).toBe(2);

  expect(await engine.run(request('c'), work)).toMatchObject({
    kind: 'refused',
    problem: { code: 'store_unavailable', retryable: true, retryAfterMs: 1000 },
  });
  expect(await store.lookup({ scope: 'alice', procedure: 'p', key: 'c' })).toBeUndefined();
  const joined = engine.run(request('a'), work);

  finished.resolve('done');
  expect(await Promise.all([...running, joined])).toMatchObject([
    { value: 'done', replayed: false },
    { value: 'done', replayed: false },
    { kind: 'completed', replayed: true },
  ]);
  expect(await engine.run(request('c'), work)).toMatchObject({ kind: 'completed' });
  expect(runs).toBe(3);
});

test.each([
  ['maxRunning', 0, '1 or more'],
  ['maxRunning', Number.NaN, '1 or more'],
  ['maxRunning', 2.5, '1 or more'],
  ['maxWaiters', -1, '0 or more'],
  ['maxWaiters', Number.POSITIVE_INFINITY, '0 or more'],
])('a %s of %d is refused at the start', (name, value, range) => {
  expect(() => createSemel({ store: createMemoryStore(), recovery: false, [name]: value })).toThrow(
    `createSemel: ${name} is a whole number, ${range}, not ${value}`,
  );
});

test('where nobody may wait, replays that are asked for together still get their answer', async () => {
  const { engine } = createSemel({
    store: createMemoryStore(),
    layers: [createProcessLayer()],
    recovery: false,
    maxWaiters: 0,
  });
  const ask = () => engine.run(request('a'), async () => 'done');
  await ask();
  const answers = await Promise.all([ask(), ask(), ask()]);
  expect(answers.map(({ kind }) => kind)).toEqual(['completed', 'completed', 'completed']);
});
