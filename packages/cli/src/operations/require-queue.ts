import { Unable } from '../command.ts';
import { pgBossJobs } from '../connect/packages.ts';
import { openDatabase } from '../connect/query.ts';
import { databaseOf, type Settings } from '../connect/settings.ts';

/**
 * A job in a queue that nobody reads would come to nothing until a worker finds the operation stranded, and asking for a schema
 * that isn't there would make it.
 * @throws Unable
 */
export async function requireQueue(settings: Settings): Promise<void> {
  const { given, jobsSchema, queue } = settings;
  if (given.jobs !== undefined) return;
  await pgBossJobs();
  const database = await openDatabase(databaseOf(settings));
  try {
    const [there] = await database.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
      `"${jobsSchema}".queue`,
    ]);
    const queues =
      there?.there === true
        ? await database.query<{ name: string }>(`SELECT name FROM "${jobsSchema}".queue ORDER BY name`)
        : [];
    if (queues.some(({ name }) => name === queue)) return;
    const found =
      there?.there === true
        ? `its queues are ${queues.map(({ name }) => name).join(', ') || 'none'}`
        : 'there is no such schema';
    throw new Unable(
      `There is no queue ${queue} in the schema ${jobsSchema}: ${found}. Say with --jobs-schema and --queue where your servers' jobs are. Nothing was changed.`,
    );
  } finally {
    await database.close();
  }
}
