import type { MigrationStatus } from '@semel/store-postgres';
import { parsed } from '../arguments.ts';
import { type Command, CommandError, type Terminal, Unable } from '../command.ts';
import { causeOf, codeOf, explained } from '../connect/failures.ts';
import { pgBossJobs, postgres } from '../connect/packages.ts';
import {
  CONNECT_HELP,
  CONNECT_OPTIONS,
  databaseOf,
  type Settings,
  settingsFrom,
} from '../connect/settings.ts';
import { masked } from '../terminal/masked.ts';
import { renderMigrations } from './render-migrations.ts';

const help = `Usage: semel migrate [options]

Brings the store's schema up to date. Any number of servers and people may do so at once; each migration is a transaction of
its own, and gives up after 5 s of waiting for a table rather than making requests wait behind it: run it again then.

Options:
  --dry-run   what is applied and what is pending, changing nothing; exit code 1 when something is
  --jobs      makes the queue's tables (pg-boss) too, for servers whose role may not make a schema
  --json      { schema, applied, migrations: [{ id, name, state, appliedAt? }] }
  --help

${CONNECT_HELP}
Exit code: 0 up to date, 1 pending (--dry-run), 2 it couldn't be done: the schema is another version's, a right is missing…
`;

const OPTIONS = {
  ...CONNECT_OPTIONS,
  'dry-run': { type: 'boolean', default: false },
  jobs: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

export const migrateCommand: Command = {
  summary: "brings the store's schema up to date, or says what is pending",
  help,
  async run(args, terminal) {
    const { values, positionals } = parsed(args, OPTIONS);
    if (positionals.length > 0) throw new CommandError(`migrate takes no ${positionals.join(' ')}`);
    const settings = await settingsFrom(values, terminal);
    const connection = databaseOf(settings);
    const { schema } = settings;
    try {
      const { migratePostgres, migrationStatus } = await postgres();
      const before = await migrationStatus({ connection, schema });
      refuseOthers(before, schema);
      const applied = values['dry-run'] ? [] : await migratePostgres({ connection, schema });
      const migrations = values['dry-run'] ? before : await migrationStatus({ connection, schema });
      if (values.jobs && !values['dry-run']) await makeJobTables(settings);
      print(terminal, values.json, { schema, applied, migrations });
      return migrations.some(({ state }) => state === 'pending') ? 1 : 0;
    } catch (error) {
      throw explainedMigration(error, connection, schema);
    }
  },
};

function print(
  terminal: Terminal,
  json: boolean,
  report: {
    readonly schema: string;
    readonly applied: readonly string[];
    readonly migrations: readonly MigrationStatus[];
  },
): void {
  terminal.write(json ? `${JSON.stringify(report, null, 2)}\n` : renderMigrations(report, terminal));
}

function refuseOthers(migrations: readonly MigrationStatus[], schema: string): void {
  const unknown = migrations.filter(({ state }) => state === 'unknown');
  if (unknown.length > 0) {
    const names = unknown.map(({ id, name }) => `${id} (${name})`).join(', ');
    throw new Unable(
      `The schema ${schema} is newer than this command: it has migration ${names}, which this version doesn't know. Nothing was changed. Use the version that your newest servers run.`,
    );
  }
  const changed = migrations.filter(({ state }) => state === 'changed');
  if (changed.length > 0) {
    const names = changed.map(({ id, name }) => `${id} (${name})`).join(', ');
    throw new Unable(
      `Migration ${names} of the schema ${schema} isn't the one that was applied: its checksum differs. Nothing was changed. Somebody has edited the package or the table ${schema}.migration: compare them before you go on.`,
    );
  }
}

async function makeJobTables(settings: Settings): Promise<void> {
  const { createPgBossJobs } = await pgBossJobs();
  const { jobsSchema, queue } = settings;
  const jobs = createPgBossJobs({ connection: databaseOf(settings), schema: jobsSchema, queue });
  try {
    await jobs.start();
  } finally {
    await jobs.close();
  }
}

function explainedMigration(error: unknown, database: string, schema: string): unknown {
  if (error instanceof CommandError) return error;
  const where = masked(database);
  const code = codeOf(error);
  if (code === '42501') {
    return new Unable(
      `${where}: ${causeOf(error)}. Migrating needs the right to create: GRANT CREATE ON DATABASE … TO <role>, or, where the schema ${schema} exists, ALTER SCHEMA ${schema} OWNER TO <role>. Servers need only to read and write.`,
      { cause: error },
    );
  }
  if (code === '55P03') {
    return new Unable(
      `${where}: a table was locked for longer than 5 s, and requests don't wait behind a migration. Nothing of it remains: run it again, best when no long transaction is open (semel doctor names them).`,
      { cause: error },
    );
  }
  return explained(error, database);
}
