import { expect, test, vi } from 'vitest';
import { createProgress } from './progress.ts';
import { startQueued } from './queued.fixture.ts';

test('the first report is written at once, then the last of those that came within half a second', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  try {
    const written: string[] = [];
    const progress = createProgress(async (json) => void written.push(json));
    for (let percent = 0; percent <= 100; percent++) progress.report({ percent });
    await vi.advanceTimersByTimeAsync(499);
    expect(written).toEqual(['{"percent":0}']);
    await vi.advanceTimersByTimeAsync(1);
    expect(written).toEqual(['{"percent":0}', '{"percent":100}']);
    progress.report('last');
    progress.end();
    await vi.advanceTimersByTimeAsync(1000);
    expect(written).toHaveLength(2);
  } finally {
    vi.useRealTimers();
  }
});

test('a write that fails is forgotten, and the next report is written', async () => {
  const written: string[] = [];
  const failing = createProgress(async (json) => {
    written.push(json);
    throw new Error('away');
  });
  failing.report(1);
  failing.report(2);
  await expect.poll(() => written, { timeout: 3000 }).toEqual(['1', '2']);
  failing.end();
});

test('an attempt that fails leaves its last word, not its first', async () => {
  const { call, run, worker, store, idOf, reaches } = await startQueued({ policy: { maxAttempts: 1 } });
  run((operation) => {
    for (let page = 1; page <= 4; page++) operation.progress({ page });
    throw new Error('the fifth is broken');
  });
  const first = await call('k');
  worker();
  await reaches(first, 'dead');
  expect(await store.queue.progress(idOf(first))).toMatchObject({ value: '{"page":4}' });
});

test('takes plain JSON of at most 16 KiB, counted in bytes', () => {
  const progress = createProgress(async () => undefined);
  expect(() => progress.report(undefined)).toThrow('takes plain JSON');
  expect(() => progress.report('x'.repeat(16_383))).toThrow('at most 16384 bytes');
  expect(() => progress.report('€'.repeat(5461))).toThrow('at most 16384 bytes');
  expect(() => progress.report('€'.repeat(5460))).not.toThrow();
  progress.end();
});

test('status answers have it while it runs, sealed in the store, and no more once it is settled', async () => {
  const { randomBytes } = await import('node:crypto');
  const keyRing = { current: 'a', keys: { a: randomBytes(32) } };
  const { call, run, worker, semel, store, idOf, recordOf, settled } = await startQueued({
    semel: { keyRing },
  });
  const finish = Promise.withResolvers<void>();
  run(async (operation) => {
    operation.progress({ done: 3, of: 7 });
    await finish.promise;
    return 'done';
  });
  const first = await call('k');
  worker();
  await expect
    .poll(() => store.queue.progress(idOf(first)))
    .toMatchObject({ value: expect.stringMatching(/^sealed1:/) });
  expect(await semel.engine.progressOf(await recordOf(first))).toEqual({ value: { done: 3, of: 7 } });
  finish.resolve();
  expect(await semel.engine.progressOf(await settled(first))).toBeUndefined();
  await semel.close();
});

test('belongs to leased and queued mode', async () => {
  const { semel } = await startQueued();
  const call = { scope: 'a', name: 'p', key: 'k', input: 1, mode: 'atomic' } as const;
  await expect(semel.run(call, (operation) => operation.progress(1))).rejects.toThrow(
    "belongs to mode 'leased'",
  );
});
