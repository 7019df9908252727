import { createRequire } from 'node:module';
import { type Check, ok, skipped, warning, wrong } from '../check.ts';
import type { Examination } from '../examination.ts';

type Queries = Parameters<Examination>[0]['database'];

/** The tables of pg-boss, where queued procedures have their jobs. */
export const checkQueue: Examination = async ({ database, settings }) => {
  const { schema, jobsSchema, queue } = settings;
  const [there] = await database.query<{ there: boolean; work: boolean }>(
    `SELECT to_regclass($1) IS NOT NULL AS there, EXISTS (SELECT FROM "${schema}".work) AS work`,
    [`"${jobsSchema}".queue`],
  );
  if (there?.there !== true) {
    if (there?.work !== true) return [skipped('queue', `no schema ${jobsSchema}, and nothing is queued`)];
    return [
      wrong(
        'queue',
        `there is no schema ${jobsSchema}, but operations are queued`,
        'Their jobs are elsewhere: redriving from here would send jobs that nobody takes.',
        "--jobs-schema with the name that your servers use; or semel migrate --jobs, if they can't make it themselves.",
      ),
    ];
  }
  return [await version(database, jobsSchema), await jobs(database, jobsSchema, queue)];
};

async function version(database: Queries, jobsSchema: string): Promise<Check> {
  const [row] = await database.query<{ version: number }>(`SELECT version FROM "${jobsSchema}".version`);
  const found = `${jobsSchema} has version ${row?.version}`;
  const expected = installedVersion();
  if (expected === undefined) return ok('queue.version', found);
  if (expected === row?.version) return ok('queue.version', `${found}, as pg-boss here`);
  return (row?.version ?? 0) > expected
    ? wrong(
        'queue.version',
        `${found}; pg-boss here knows ${expected}`,
        'A newer pg-boss has changed these tables: this one may lose jobs in them.',
        'Run the one version of pg-boss that the store names, everywhere.',
      )
    : warning(
        'queue.version',
        `${found}; pg-boss here wants ${expected}`,
        'The first server that starts migrates it: its role needs the right to.',
        'semel migrate --jobs.',
      );
}

/** As pg-boss' own package says; where it is installed beside this command. */
function installedVersion(): number | undefined {
  try {
    const read = createRequire(import.meta.url)('pg-boss/package.json') as { pgboss?: { schema?: number } };
    return read.pgboss?.schema;
  } catch {
    return undefined;
  }
}

async function jobs(database: Queries, jobsSchema: string, queue: string): Promise<Check> {
  const queues = await database.query<{ name: string }>(
    `SELECT name FROM "${jobsSchema}".queue ORDER BY name`,
  );
  if (!queues.some(({ name }) => name === queue)) {
    const names = queues.map(({ name }) => name).join(', ') || 'none';
    return wrong(
      'queue.jobs',
      `there is no queue ${queue} in ${jobsSchema}, but ${names}`,
      'Redriving from here would send jobs that nobody takes.',
      '--queue with the name that your servers use.',
    );
  }
  const rows = await database.query<{ state: string; n: number }>(
    `SELECT state::text AS state, count(*)::int AS n FROM "${jobsSchema}".job WHERE name = $1 GROUP BY state`,
    [queue],
  );
  const n = (...states: string[]) =>
    rows.filter(({ state }) => states.includes(state)).reduce((sum, row) => sum + row.n, 0);
  const ended = n('failed', 'cancelled');
  const others = ended > 0 ? `, ${ended} ended by somebody else: workers send them again` : '';
  return ok('queue.jobs', `${n('created', 'retry')} waiting, ${n('active')} at work${others}`);
}
