import { expect, test } from 'vitest';
import { createTestClock, systemClock } from './clock.ts';

test('time stands still until it is advanced', async () => {
  const clock = createTestClock(1000);
  expect(clock.now()).toBe(1000);
  await clock.advance(250);
  expect(clock.now()).toBe(1250);
});

test('timers run in the order of their times, equal times in the order of making', async () => {
  const clock = createTestClock(0);
  const ran: string[] = [];
  clock.schedule(20, () => ran.push(`c@${clock.now()}`));
  clock.schedule(10, () => ran.push(`a@${clock.now()}`));
  clock.schedule(10, () => ran.push(`b@${clock.now()}`));
  clock.schedule(21, () => ran.push('too late'));
  await clock.advance(20);
  expect(ran).toEqual(['a@10', 'b@10', 'c@20']);
  expect(clock.pending).toBe(1);
});

test('a continuation of an earlier timer runs before a later timer, and so do the sleeps it makes', async () => {
  const clock = createTestClock(0);
  const ran: string[] = [];
  const loop = (async () => {
    for (let i = 1; i <= 3; i++) {
      await clock.sleep(10);
      await Promise.resolve();
      await Promise.resolve();
      ran.push(`loop@${clock.now()}`);
    }
  })();
  clock.schedule(25, () => ran.push(`timer@${clock.now()}`));
  await clock.advance(30);
  await loop;
  expect(ran).toEqual(['loop@10', 'loop@20', 'timer@25', 'loop@30']);
});

test('a cancelled timer does not run', async () => {
  const clock = createTestClock(0);
  let ran = 0;
  const cancel = clock.schedule(5, () => ran++);
  cancel();
  await clock.advance(10);
  expect(ran).toBe(0);
  expect(clock.pending).toBe(0);
});

test.each([
  ['test clock', createTestClock(0)],
  ['system clock', systemClock],
] as const)('an aborted sleep rejects with the reason of the signal (%s)', async (_, clock) => {
  const controller = new AbortController();
  const sleep = clock.sleep(60_000, controller.signal);
  controller.abort(new Error('enough'));
  await expect(sleep).rejects.toThrow('enough');
  await expect(clock.sleep(60_000, controller.signal)).rejects.toThrow('enough');
  if ('pending' in clock) expect(clock.pending).toBe(0);
});

test('a callback that throws makes advance reject at its time', async () => {
  const clock = createTestClock(0);
  clock.schedule(5, () => {
    throw new Error('boom');
  });
  await expect(clock.advance(10)).rejects.toThrow('boom');
  expect(clock.now()).toBe(5);
});

test('time does not go back', async () => {
  await expect(createTestClock(0).advance(-1)).rejects.toThrow(RangeError);
});

test('the system clock sleeps and schedules', async () => {
  const ran: string[] = [];
  systemClock.schedule(1, () => ran.push('scheduled'));
  const cancel = systemClock.schedule(1, () => ran.push('cancelled'));
  cancel();
  await systemClock.sleep(5);
  await systemClock.sleep(5);
  expect(ran).toEqual(['scheduled']);
});
