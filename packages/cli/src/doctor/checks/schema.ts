import { postgres } from '../../connect/packages.ts';
import { ok, wrong } from '../check.ts';
import type { Examination } from '../examination.ts';

export const checkSchema: Examination = async ({ url, settings: { schema } }) => {
  const { migrationStatus } = await postgres();
  const migrations = await migrationStatus({ connection: url, schema });
  const named = (state: string) =>
    migrations.filter((migration) => migration.state === state).map(({ id, name }) => `${id} (${name})`);
  const [pending, changed, unknown] = [named('pending'), named('changed'), named('unknown')];
  if (pending.length === migrations.length) {
    return [
      wrong(
        'schema',
        `${schema} has none of the store's tables`,
        'Servers can keep nothing: every keyed request fails.',
        'semel migrate, or --schema with the name that your servers use.',
      ),
    ];
  }
  if (unknown.length > 0) {
    return [
      wrong(
        'schema',
        `${schema} is newer than this command: ${unknown.join(', ')}`,
        'A newer version of the package migrated it; an older one may write what the new one does not expect.',
        'Use the version that your newest servers run.',
      ),
    ];
  }
  if (changed.length > 0) {
    return [
      wrong(
        'schema',
        `${schema} has another text of ${changed.join(', ')} than this package`,
        'The tables may not be what the statements were tested with.',
        `Find out who edited the package, or the table ${schema}.migration.`,
      ),
    ];
  }
  if (pending.length > 0) {
    return [
      wrong(
        'schema',
        `${schema} lacks ${pending.join(', ')}`,
        'Servers of this version read and write what isn’t there yet.',
        'semel migrate.',
      ),
    ];
  }
  return [ok('schema', `${schema}, ${migrations.length} migrations, unchanged`)];
};
