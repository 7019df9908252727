import { expect, test } from 'vitest';
import { duration, moment } from './ages.ts';
import { masked } from './masked.ts';
import { printable, shortened } from './printable.ts';
import { type Column, rowsOf, titles, widths } from './table.ts';

test.each([
  ['postgres://me:hunter2@db:5432/x', 'postgres://me:***@db:5432/x'],
  ['at postgres://me:p@ss:w/rd@db/x, twice redis://:pw@r', 'at postgres://me:***@db/x, twice redis://:***@r'],
  ['postgres://db/x?user=me&password=pw&ssl=1', 'postgres://db/x?user=me&password=***&ssl=1'],
  ['postgres://me@db/x', 'postgres://me@db/x'],
  ['no url: a:b@c', 'no url: a:b@c'],
])('no password is shown: %s', (text, shown) => {
  expect(masked(text)).toBe(shown);
});

test('what moves a cursor or turns a text around is shown as its code', () => {
  expect(printable('a\u001b[31mb\nc\u202ed\u0000é')).toBe('a\\u{1b}[31mb\\u{a}c\\u{202e}d\\u{0}é');
});

test('durations have one unit', () => {
  expect([0, 999, 1000, 61_000, 150_000, 3_600_000, 7_200_000, 200_000_000].map(duration)).toEqual([
    '0 ms',
    '999 ms',
    '1 s',
    '61 s',
    '2 min',
    '60 min',
    '2 h',
    '2 d',
  ]);
  expect(moment(10_000, 4000)).toBe('1970-01-01T00:00:10.000Z (in 6 s)');
});

const columns: readonly Column<{ id: string; text: string; other: string }>[] = [
  { title: 'ID', cell: ({ id }) => id },
  { title: 'TEXT', cell: ({ text }) => text, least: 6 },
  { title: 'OTHER', cell: ({ other }) => other, least: 5 },
];
const rows = [{ id: '0123456789', text: 'a long text, longer than the rest', other: 'short one' }];
const plain = (_: unknown, text: string) => text;
const print = (available?: number) => {
  const wide = widths(columns, rows, available);
  return titles(columns, wide, plain) + rowsOf(columns, wide, rows, plain);
};

test('a table takes the room that it needs where nobody looks at it', () => {
  expect(print()).toBe(
    'ID          TEXT                               OTHER\n0123456789  a long text, longer than the rest  short one\n',
  );
});

test('a table fits the terminal by what may shrink, the widest first; ids stay whole', () => {
  expect(print(36)).toBe('ID          TEXT           OTHER\n0123456789  a long text,…  short one\n');
  expect(print(10)).toBe('ID          TEXT    OTHER\n0123456789  a lon…  shor…\n');
});

test('what is cut is cut between characters', () => {
  expect(shortened('💶💶💶💶', 3)).toBe('💶💶…');
});
