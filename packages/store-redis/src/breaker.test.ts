import { expect, test } from 'vitest';
import { createBreaker } from './breaker.ts';

/** A breaker whose waits are ended by the test, and whose probes answer as told. */
function setUp(failures = 3, listener: () => void = () => {}) {
  const reports: string[] = [];
  const waits: number[] = [];
  let next: (() => void) | undefined;
  let works = false;
  const breaker = createBreaker({
    failures,
    probe: async () => {
      if (!works) throw new Error('still away');
    },
    report(report) {
      reports.push(report.kind === 'opened' ? `opened: ${String(report.cause)}` : 'closed');
      listener();
    },
    after(ms, then) {
      waits.push(ms);
      next = then;
      return () => {
        next = undefined;
      };
    },
  });
  return {
    breaker,
    reports,
    waits,
    repair: () => {
      works = true;
    },
    /** Ends the wait for the next probe. @returns whether there was one */
    async probe(): Promise<boolean> {
      const then = next;
      next = undefined;
      then?.();
      await new Promise(setImmediate);
      return then !== undefined;
    },
  };
}

test('opens after three failures in a row, and tells it once', () => {
  const { breaker, reports } = setUp();
  breaker.failed('a');
  breaker.failed('b');
  expect(breaker.isOpen).toBe(false);
  breaker.failed('c');
  breaker.failed('d');
  expect(breaker.isOpen).toBe(true);
  expect(reports).toEqual(['opened: c']);
});

test('stays closed while failures are not in a row', () => {
  const { breaker, reports } = setUp();
  for (let i = 0; i < 10; i++) {
    breaker.failed('x');
    breaker.failed('x');
    breaker.succeeded();
  }
  expect(breaker.isOpen).toBe(false);
  expect(reports).toEqual([]);
});

test('closes by itself once a probe gets through; no request is the probe', async () => {
  const { breaker, reports, waits, repair, probe } = setUp(1);
  breaker.failed('x');
  await probe();
  expect(breaker.isOpen).toBe(true);
  repair();
  await probe();
  expect(breaker.isOpen).toBe(false);
  expect(waits).toEqual([100, 200]);
  expect(reports).toEqual(['opened: x', 'closed']);
});

test('waits longer before each probe, up to five seconds', async () => {
  const { breaker, waits, probe } = setUp(1);
  breaker.failed('x');
  for (let i = 0; i < 8; i++) await probe();
  expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
});

test('opens again when it fails again, and begins with the short wait', async () => {
  const { breaker, reports, waits, repair, probe } = setUp(1);
  breaker.failed('x');
  await probe();
  repair();
  await probe();
  breaker.failed('y');
  expect(waits).toEqual([100, 200, 100]);
  expect(reports).toEqual(['opened: x', 'closed', 'opened: y']);
});

test('a late success of a command from before does not close it', async () => {
  const { breaker } = setUp(1);
  breaker.failed('x');
  breaker.succeeded();
  expect(breaker.isOpen).toBe(true);
});

test('once stopped it probes no more', async () => {
  const { breaker, reports, repair, probe } = setUp(1);
  breaker.failed('x');
  repair();
  breaker.stop();
  expect(await probe()).toBe(false);
  expect(reports).toEqual(['opened: x']);
});

test('a listener that throws neither fails the request nor keeps it open', async () => {
  const { breaker, reports, repair, probe } = setUp(1, () => {
    throw new Error('of the listener');
  });
  breaker.failed('x');
  repair();
  expect(await probe()).toBe(true);
  expect(breaker.isOpen).toBe(false);
  expect(reports).toEqual(['opened: x', 'closed']);
});
