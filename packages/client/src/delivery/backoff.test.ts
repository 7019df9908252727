import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atLeast, backoffMs, pollMs, SLOW_POLL } from './backoff.ts';

const options = { baseMs: 250, capMs: 20_000 };
const unit = fc.double({ min: 0, max: 1, noNaN: true });

describe('backoff', () => {
  it('is uniform between nothing and the doubled base', () => {
    expect([1, 2, 3, 4, 7, 8, 50].map((n) => backoffMs(options, n, 1))).toEqual([
      250, 500, 1000, 2000, 16_000, 20_000, 20_000,
    ]);
    expect(backoffMs(options, 3, 0)).toBe(0);
    expect(backoffMs(options, 3, 0.5)).toBe(500);
  });

  it('never leaves 0 … cap, for any number of failures', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), unit, (failures, random) => {
        const ms = backoffMs(options, failures, random);
        return ms >= 0 && ms <= 20_000;
      }),
    );
  });

  it('is never earlier than the server asked for, and at most a tenth later', () => {
    expect(atLeast(100, 1000, 0)).toBe(1000);
    expect(atLeast(100, 1000, 1)).toBe(1100);
    expect(atLeast(100, 0, 1)).toBe(100);
    fc.assert(
      fc.property(fc.nat(100_000), fc.nat(100_000), unit, (wait, after, random) => {
        const ms = atLeast(wait, after, random);
        return ms >= wait && ms >= after && ms <= Math.max(wait, after * 1.1 + 1e-6);
      }),
    );
  });

  it('asks about an operation in flight on a schedule of its own', () => {
    const inFlight = { firstMs: 150, factor: 1.6, capMs: 2_000 };
    expect([0, 1, 2, 5, 6, 60].map((n) => Math.round(pollMs(inFlight, n)))).toEqual([
      150, 240, 384, 1573, 2000, 2000,
    ]);
    expect([0, 1, 2, 3].map((n) => pollMs(SLOW_POLL, n))).toEqual([2000, 4000, 8000, 15_000]);
  });
});
