import type { MigrationStatus } from '@semel/store-postgres';
import { count } from '../terminal/ages.ts';
import { painter } from '../terminal/paint.ts';

export function renderMigrations(
  report: {
    readonly schema: string;
    readonly applied: readonly string[];
    readonly migrations: readonly MigrationStatus[];
  },
  options: { readonly colours: boolean },
): string {
  const paint = painter(options);
  const { schema, applied, migrations } = report;
  const width = Math.max(...migrations.map(({ name }) => name.length));
  const lines = migrations.map(({ id, name, state, appliedAt }) => {
    const label = `  ${String(id).padStart(4, '0')}  ${name.padEnd(width)}`;
    if (state === 'pending') return `${label}  ${paint('yellow', 'pending')}`;
    const isNew = applied.includes(name);
    const when = appliedAt === undefined ? '' : paint('dim', `  ${appliedAt.toISOString()}`);
    return `${label}  ${isNew ? paint('green', 'applied now') : 'applied'}${when}`;
  });
  const pending = migrations.filter(({ state }) => state === 'pending').length;
  const end =
    pending > 0
      ? paint(
          'yellow',
          `${count(pending, 'migration')} pending: semel migrate applies ${pending === 1 ? 'it' : 'them'}`,
        )
      : applied.length > 0
        ? `${count(applied.length, 'migration')} applied now: up to date`
        : 'up to date';
  return `Schema ${schema}\n${lines.join('\n')}\n${end}\n`;
}
