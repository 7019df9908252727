import { expect, it } from 'vitest';
import { fingerprintOf } from './fingerprint.ts';

const at = new Date(0);
const shared = { n: 1 };

it.each([
  ['members in another order', { a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }],
  ['an absent member and an undefined one', { a: 1 }, { a: 1, b: undefined }],
  ['a shared reference and a copy', [shared, shared], [{ n: 1 }, { n: 1 }]],
  [
    'sets and maps in another order',
    [
      new Set([1, 2]),
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    ],
    [
      new Set([2, 1]),
      new Map([
        ['b', 2],
        ['a', 1],
      ]),
    ],
  ],
  ['two equal dates', { at }, { at: new Date(0) }],
])('is equal for %s', (_, one, other) => {
  expect(fingerprintOf(one)).toBe(fingerprintOf(other));
});

it('is different for all of these', () => {
  const form = new FormData();
  form.append('a', '1');
  const all: unknown[] = [
    undefined,
    null,
    0,
    1,
    '1',
    '',
    1n,
    'bigint',
    true,
    'true',
    [],
    {},
    [1, 2],
    [2, 1],
    [[1], 2],
    [1, [2]],
    { a: 1 },
    { a: '1' },
    { a: null },
    { b: 1 },
    [['a', 1]],
    at,
    at.toISOString(),
    new Date(1),
    new Set([1]),
    new Set([2]),
    new Map([['a', 1]]),
    new Uint8Array([1, 2]),
    new Uint8Array([2, 1]),
    Buffer.from([1, 2, 3]),
    new Blob(['ab']),
    new Blob(['abc']),
    form,
    new URL('https://a.example/'),
    new URL('https://b.example/'),
    2n ** 64n,
    2n ** 64n + 1n,
    { __proto__: null, a: 2 },
    'é',
    'e\u0301',
    { a: { b: {} } },
    { a: { b: [] } },
  ];
  expect(new Set(all.map(fingerprintOf)).size).toBe(all.length);
});

it('tells a million neighbours apart', () => {
  const seen = new Set<string>();
  for (let amount = 0; amount < 1_000_000; amount++) seen.add(fingerprintOf(amount));
  expect(seen.size).toBe(1_000_000);
});

it('doesn’t stop a payment for a circle, which the transport refuses', () => {
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  expect(fingerprintOf(circle)).toMatch(/^[a-z0-9]+$/);
});
