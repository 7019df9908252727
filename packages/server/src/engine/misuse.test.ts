import { expect, test } from 'vitest';
import { policyFrom } from '../admission/policy.ts';
import { createSemel } from '../semel.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Operation } from './operation.ts';
import { createOutcomeCodec } from './outcome.ts';
import type { RunRequest } from './request.ts';

const request = (maxRunMs = 60_000): RunRequest => ({
  scope: 'alice',
  procedure: 'p',
  key: 'k',
  ageMs: undefined,
  fingerprint: 'v1:f',
  policy: policyFrom({ mode: 'leased', effects: 'steps', maxRunMs }),
  failures: { statusOf: () => undefined, describe: () => ({ httpStatus: 500, code: 'X', message: '' }) },
  outcomes: createOutcomeCodec(),
  trace: { actor: 'request' },
});
const run = (handler: (operation: Operation) => Promise<unknown>, maxRunMs?: number) =>
  createSemel({ store: createMemoryStore(), recovery: false }).engine.run(request(maxRunMs), handler);

test.each(['', 'a'.repeat(201), 'line\nbreak', 'nul\0', 'é', undefined, {}])(
  'a step called %j is refused before its body runs',
  async (name) => {
    let ran = 0;
    await expect(run((operation) => operation.step(name as string, async () => ran++))).rejects.toThrow(
      'The name of a step is 1 to 200 characters of printable ASCII',
    );
    expect(ran).toBe(0);
  },
);

test.each([
  ['a Response', () => new Response('x')],
  ['a function', () => () => 1],
  ['a ReadableStream', () => new ReadableStream()],
])('a step that returns %s is told so at its first run, not at recovery', async (_what, value) => {
  await expect(run((operation) => operation.step('call', async () => value()))).rejects.toThrow(
    /A step can't return/,
  );
});

test('a step may not start once the attempt ran too long, and the message names the limit', async () => {
  const tooLong = run(async (operation) => {
    await new Promise((resolve) => operation.signal.addEventListener('abort', resolve));
    await operation.step('late', async () => 'never');
  }, 50);
  await expect(tooLong).rejects.toThrow(
    "'late' may not start any more: the attempt has run longer than its policy's maxRunMs (50 ms)",
  );
});

test('after close nothing new begins', async () => {
  const semel = createSemel({ store: createMemoryStore(), recovery: false });
  await semel.close();
  expect(await semel.engine.run(request(), async () => 'ran')).toMatchObject({
    kind: 'refused',
    problem: { code: 'store_unavailable' },
  });
});
