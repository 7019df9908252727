import type { Row, Scenario } from '../row.ts';
import { VARIANTS } from '../variants.ts';

/** A scenario's rows in the order of the variants, whatever order they were measured in. */
export function rowsOf(scenario: Scenario, rows: readonly Row[]): Row[] {
  const place = ({ variant }: Row) =>
    VARIANTS.findIndex(({ name, replayName }) => variant === name || variant === replayName);
  return rows
    .filter((row) => row.scenario === scenario)
    .sort((a, b) => a.callers - b.callers || place(a) - place(b));
}
