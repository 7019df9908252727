import pg from 'pg';
import { toolConfig } from '../connections/config.ts';
import { schemaName } from '../schema-name.ts';
import { MIGRATIONS, type MigratePostgresOptions } from './migrate.ts';
import { checksum } from './migration.ts';

export interface MigrationStatus {
  readonly id: number;
  readonly name: string;
  /**
   * `changed`: its text isn't the one that was applied. `unknown`: applied by a newer version of this package. With either,
   * `migratePostgres` refuses.
   */
  readonly state: 'applied' | 'pending' | 'changed' | 'unknown';
  /** By the database's clock. */
  readonly appliedAt?: Date;
}

/**
 * What `migratePostgres` has done to a schema and what it would do, in order. Reads only, takes no lock, and needs no right
 * but to read `<schema>.migration`; a schema that doesn't exist has everything pending.
 */
export async function migrationStatus(options: MigratePostgresOptions): Promise<readonly MigrationStatus[]> {
  const schema = schemaName(options.schema ?? 'semel');
  const client = new pg.Client({ ...toolConfig(options.connection), pipeline: false });
  client.on('error', () => {}); // the query that runs reports it
  await client.connect();
  try {
    const there = await client.query('SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = $2', [
      schema,
      'migration',
    ]);
    const { rows } =
      there.rowCount === 0
        ? { rows: [] }
        : await client.query<{ id: number; name: string; checksum: string; applied_at: Date }>(
            `SELECT id, name, checksum, applied_at FROM "${schema}".migration ORDER BY id`,
          );
    const done = rows.map(({ id, name, applied_at: appliedAt, checksum: applied }): MigrationStatus => {
      const known = MIGRATIONS.find((migration) => migration.id === id);
      const state = known === undefined ? 'unknown' : checksum(known) === applied ? 'applied' : 'changed';
      return { id, name, state, appliedAt };
    });
    const pending = MIGRATIONS.filter(({ id }) => !rows.some((row) => row.id === id));
    return [...done, ...pending.map(({ id, name }) => ({ id, name, state: 'pending' as const }))];
  } finally {
    await client.end();
  }
}
