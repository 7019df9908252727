import { stripVTControlCharacters } from 'node:util';
import { paint } from './terminal.ts';

export interface Column<Row> {
  readonly title: string;
  readonly align: 'left' | 'right';
  readonly value: (row: Row) => string;
}

/** A table of box-drawing characters. Cells may be coloured: what counts is the width that is seen. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = [
    columns.map(({ title }) => paint('bold', title)),
    ...rows.map((row) => columns.map(({ value }) => value(row))),
  ];
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => seenWidth(line[i] ?? ''))));
  const rule = (left: string, middle: string, right: string): string =>
    paint('dim', left + widths.map((width) => '─'.repeat(width + 2)).join(middle) + right);
  const bar = paint('dim', '│');
  const line = (texts: readonly string[]): string =>
    `${bar}${texts.map((text, i) => ` ${pad(text, widths[i] ?? 0, columns[i]?.align ?? 'left')} `).join(bar)}${bar}`;
  const [head = [], ...body] = cells;
  return [rule('┌', '┬', '┐'), line(head), rule('├', '┼', '┤'), ...body.map(line), rule('└', '┴', '┘')].join(
    '\n',
  );
}

const seenWidth = (text: string): number => stripVTControlCharacters(text).length;

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - seenWidth(text)));
  return align === 'left' ? text + space : space + text;
}
