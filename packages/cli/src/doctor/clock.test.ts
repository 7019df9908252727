import { expect, test } from 'vitest';
import { judged } from './clock.ts';

test.each([
  [300, 1, 'ok', 'as this machine’s'],
  [-4000, 1, 'ok', '4 s behind this machine'],
  [6000, 1, 'warning', '6 s ahead of this machine'],
  // Half a slow round trip is no difference.
  [6000, 3000, 'ok', '6 s ahead of this machine'],
  [-11 * 60_000, 1, 'wrong', '11 min behind this machine'],
])('%i ms off, %i ms unknown, is %s', (difference, unknown, status, found) => {
  expect(judged('clock', 'Postgres', difference, unknown)).toMatchObject({ status, found });
});
