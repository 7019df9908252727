import { type Row, SCENARIOS } from '../row.ts';
import { columnsOf } from './figures.ts';
import { rowsOf } from './ordered.ts';

/** All rows as text, one table per scenario. */
export function terminalTable(rows: readonly Row[]): string {
  const lines: string[] = [];
  for (const scenario of SCENARIOS) {
    const own = rowsOf(scenario, rows);
    if (own.length === 0) continue;
    const columns = columnsOf(scenario);
    const cells = [
      ['', ...columns.map(({ title }) => title)],
      ...own.map((row) => [row.variant, ...columns.map(({ of }) => of(row))]),
    ];
    const widths = cells[0]?.map((_, i) => Math.max(...cells.map((line) => line[i]?.length ?? 0))) ?? [];
    lines.push('', scenario);
    for (const [name = '', ...values] of cells) {
      lines.push(
        `  ${name.padEnd(widths[0] ?? 0)}  ${values.map((value, i) => value.padStart(widths[i + 1] ?? 0)).join('  ')}`,
      );
    }
  }
  return lines.join('\n');
}
