import type { CampaignResult, Struck } from './campaign.ts';

export function tableOf(struck: readonly Struck[]): string {
  const head = ['setting', 'what happened', 's', 'operations', 'process', 'redis', 'postgres', 'left out'];
  const rows = struck.map(({ setting, what, postgresKilled, ms, operations, ...seen }) => [
    setting,
    postgresKilled ? `${what} + Postgres killed` : what,
    (ms / 1000).toFixed(1),
    String(operations),
    String(seen.process),
    String(seen.redis),
    String(seen.store),
    String(seen.opened),
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) =>
      column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
  return [head, ...rows].map((row) => line(row).join('  ')).join('\n');
}

/** In one line each, with the first few of what is wrong. */
export function verdictOf({ struck, operations, calls, violations }: CampaignResult): {
  readonly text: string;
  readonly isWell: boolean;
} {
  const kills = struck.filter(({ postgresKilled }) => postgresKilled).length;
  const counts = Object.entries(violations).map(
    ([what, found]) =>
      `${found.length} ${what}${found.length === 0 ? '' : ` (${found.slice(0, 5).join('; ')})`}`,
  );
  return {
    text: `${operations} operations in ${calls} calls, ${struck.length} faults, Postgres killed ${kills} times: ${counts.join(', ')}`,
    isWell: Object.values(violations).every((found) => found.length === 0),
  };
}
