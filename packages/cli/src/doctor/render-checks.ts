import { count } from '../terminal/ages.ts';
import { painter, type Style } from '../terminal/paint.ts';
import { printable } from '../terminal/printable.ts';
import type { Check } from './check.ts';

const SYMBOL: Readonly<Record<Check['status'], readonly [string, Style]>> = {
  ok: ['✓', 'green'],
  warning: ['!', 'yellow'],
  wrong: ['✗', 'red'],
  skipped: ['·', 'dim'],
};

export function renderChecks(checks: readonly Check[], options: { readonly colours: boolean }): string {
  const paint = painter(options);
  const width = Math.max(...checks.map(({ name }) => name.length));
  const indent = ' '.repeat(width + 6);
  const lines = checks.flatMap(({ name, status, found, why, fix }) => {
    const [symbol, style] = SYMBOL[status];
    return [
      `${paint(style, symbol)} ${name.padEnd(width)}  ${printable(found)}`,
      ...(why === undefined ? [] : [`${indent}${paint('dim', `Why: ${why}`)}`]),
      ...(fix === undefined ? [] : [`${indent}Do:  ${fix}`]),
    ];
  });
  const number = (status: Check['status']) => checks.filter((check) => check.status === status).length;
  const [bad, doubtful] = [number('wrong'), number('warning')];
  const end =
    bad > 0
      ? paint('red', `${count(bad, 'thing')} wrong`) + (doubtful > 0 ? `, ${count(doubtful, 'warning')}` : '')
      : doubtful > 0
        ? paint('yellow', count(doubtful, 'warning'))
        : paint('green', 'All is well');
  return `${lines.join('\n')}\n\n${end}\n`;
}
