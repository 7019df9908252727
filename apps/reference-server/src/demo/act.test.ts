import { expect, test } from 'vitest';
import { compare } from './act.ts';
import { table } from './table.ts';

test('what happened once for each name is no problem', () => {
  expect(compare('charge', ['a', 'b'], ['b', 'a'])).toStrictEqual([]);
});

test('what happened twice, got lost, or was never asked for is named', () => {
  expect(compare('charge', ['a', 'b'], ['a', 'a', 'c'])).toStrictEqual([
    'charge a: 2 times, wanted 1',
    'charge b: lost',
    'charge c: 1 times, wanted 0',
  ]);
});

test('a table is as wide as what is seen, colours aside', () => {
  const columns = [
    { title: 'act', align: 'left', value: (row: string[]) => row[0] ?? '' },
    { title: 'n', align: 'right', value: (row: string[]) => row[1] ?? '' },
  ] as const;
  expect(
    table(columns, [
      ['one', '\u001b[32m7\u001b[39m'],
      ['longer', '10'],
    ]),
  ).toBe(
    [
      '┌────────┬────┐',
      '│ act    │  n │',
      '├────────┼────┤',
      '│ one    │  \u001b[32m7\u001b[39m │',
      '│ longer │ 10 │',
      '└────────┴────┘',
    ].join('\n'),
  );
});
