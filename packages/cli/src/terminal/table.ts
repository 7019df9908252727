import type { Paint } from './paint.ts';
import { lengthOf, shortened } from './printable.ts';

export interface Column<Row> {
  readonly title: string;
  /** Plain text: its length is its width. */
  cell(row: Row): string;
  /** How narrow it may become where the terminal is; absent: it is never cut. */
  readonly least?: number;
  paint?(paint: Paint, shown: string, row: Row): string;
}

const GAP = 2;

/** How wide each column is, so that the rows fit into the terminal if they can: the widest that may shrink does first. */
export function widths<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  available: number | undefined,
): readonly number[] {
  const found = columns.map(({ title, cell }) =>
    Math.max(title.length, ...rows.map((row) => lengthOf(cell(row)))),
  );
  if (available === undefined) return found;
  let over = found.reduce((sum, width) => sum + width, GAP * (columns.length - 1)) - available;
  while (over > 0) {
    let widest = -1;
    for (const [i, { least }] of columns.entries()) {
      const width = found[i] ?? 0;
      if (least !== undefined && width > least && width > (found[widest] ?? 0)) widest = i;
    }
    if (widest === -1) break;
    found[widest] = (found[widest] ?? 0) - 1;
    over--;
  }
  return found;
}

export function titles<Row>(columns: readonly Column<Row>[], wide: readonly number[], paint: Paint): string {
  return `${paint('dim', line(columns.map(({ title }, i) => title.padEnd(wide[i] ?? 0))))}\n`;
}

export function rowsOf<Row>(
  columns: readonly Column<Row>[],
  wide: readonly number[],
  rows: readonly Row[],
  paint: Paint,
): string {
  return rows
    .map((row) => {
      const cells = columns.map((column, i) => {
        const width = wide[i] ?? 0;
        const text = shortened(column.cell(row), width);
        const shown = column.paint?.(paint, text, row) ?? text;
        return shown + ' '.repeat(Math.max(0, width - lengthOf(text)));
      });
      return `${line(cells)}\n`;
    })
    .join('');
}

const line = (cells: readonly string[]): string => cells.join(' '.repeat(GAP)).trimEnd();
