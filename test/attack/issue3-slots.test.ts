import { createSemel } from '@semel/server';
import { createMemoryStore } from '@semel/server/store';
import { expect, test } from 'vitest';
import { call } from './attack.ts';

// The bound is on what runs, not on what should: whoever operates the server sees 503 and `active`, and restarts it.
test('a handler that ignores its signal keeps its place: it still runs', async () => {
  const { engine } = createSemel({ store: createMemoryStore(), recovery: false, maxRunning: 1 });
  const stuck = call({ mode: 'leased', leaseMs: 100, maxRunMs: 50, inFlight: 'conflict' });
  let signal: AbortSignal | undefined;
  void engine.run(stuck, (operation) => {
    signal = operation.signal;
    return new Promise<never>(() => {});
  });
  await expect.poll(() => signal?.aborted, { timeout: 20_000 }).toBe(true);
  expect(await engine.run({ ...stuck, key: 'other' }, async () => 'never')).toMatchObject({
    kind: 'refused',
    problem: { code: 'store_unavailable' },
  });
});

test('a full server turns nobody away whose operation runs there', async () => {
  const { engine } = createSemel({ store: createMemoryStore(), recovery: false, maxRunning: 1 });
  const asked = call({ mode: 'leased', inFlight: { waitMs: 5_000 } });
  const mayEnd = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const first = engine.run(asked, async () => {
    begun.resolve();
    await mayEnd.promise;
    return 'done';
  });
  await begun.promise;
  const second = engine.run(asked, async () => 'twice');
  expect(await engine.run({ ...asked, key: 'other' }, async () => 'never')).toMatchObject({
    kind: 'refused',
    problem: { code: 'store_unavailable', retryable: true },
  });
  expect(await engine.run({ ...asked, fingerprint: 'v1:other' }, async () => 'never')).toMatchObject({
    kind: 'refused',
    problem: { code: 'key_reused' },
  });
  mayEnd.resolve();
  expect(await second).toMatchObject({ kind: 'completed', value: 'done', replayed: true });
  expect(await first).toMatchObject({ replayed: false });
  expect(await engine.run(asked, async () => 'twice')).toMatchObject({ value: 'done', replayed: true });
});
