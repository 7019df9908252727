import { expect, test } from 'vitest';
import { backoffCapMs, backoffMs } from './backoff.ts';

const backoff = { minMs: 1000, maxMs: 300_000 };

test('the cap doubles with each attempt, up to the largest', () => {
  expect([1, 2, 3, 9, 10, 1000, 0].map((attempt) => backoffCapMs(attempt, backoff))).toEqual([
    1000, 2000, 4000, 256_000, 300_000, 300_000, 1000,
  ]);
});

test('is anything from nothing to the cap', () => {
  expect(backoffMs(3, backoff, () => 0)).toBe(0);
  expect(backoffMs(3, backoff, () => 0.5)).toBe(2000);
  expect(backoffMs(3, backoff, () => 0.999_999)).toBe(3999);
});
