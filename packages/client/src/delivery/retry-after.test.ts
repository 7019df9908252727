import { expect, it } from 'vitest';
import { retryAfterMs } from './retry-after.ts';

const of = (retryAfter: string, date?: string) =>
  retryAfterMs(new Headers({ 'retry-after': retryAfter, ...(date && { date }) }));

it('reads whole seconds', () => {
  expect(of('0')).toBe(0);
  expect(of('120')).toBe(120_000);
});

it('takes a date relative to the Date of the answer, whatever the clock here says', () => {
  expect(of('Wed, 21 Oct 2015 07:28:05 GMT', 'Wed, 21 Oct 2015 07:28:00 GMT')).toBe(5000);
  expect(of('Sun, 06 Nov 2044 08:49:37 GMT', 'Sun, 06 Nov 2044 08:49:07 GMT')).toBe(30_000);
});

it('ignores a date without anything to compare it with, and one in the past', () => {
  expect(of('Wed, 21 Oct 2015 07:28:05 GMT')).toBeUndefined();
  expect(of('Wed, 21 Oct 2015 07:28:00 GMT', 'Wed, 21 Oct 2015 07:28:05 GMT')).toBeUndefined();
});

it.each(['', '-5', '1.5', '1e3', '0x10', 'soon', 'Infinity', '2015-10-21', 'Later, please'])(
  'ignores %j',
  (garbage) => {
    expect(of(garbage, 'Wed, 21 Oct 2015 07:28:00 GMT')).toBeUndefined();
  },
);

it('ignores an absent header', () => {
  expect(retryAfterMs(new Headers())).toBeUndefined();
});
