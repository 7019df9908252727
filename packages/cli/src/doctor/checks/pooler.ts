import { openDatabase } from '../../connect/query.ts';
import { ok, warning } from '../check.ts';
import type { Examination } from '../examination.ts';

/**
 * By trying. A pooler hands out a cancellation key of its own, so the process that a connection thinks it has isn't the one that
 * answers; one in transaction mode answers two open connections with one and the same process; one that doesn't carry prepared
 * statements trips over two of one name.
 */
export const checkPooler: Examination = async ({ database, url }) => {
  const name = 'postgres.pooler';
  const backend = 'SELECT pg_backend_pid() AS pid';
  const other = await openDatabase(url);
  try {
    const [mine] = await database.query<{ pid: number }>(backend);
    const [theirs] = await database.query<{ pid: number }>(backend);
    const [others] = await other.query<{ pid: number }>(backend);
    const told = (database.client as unknown as { processID?: number | null }).processID;
    const isShared = mine?.pid === others?.pid || mine?.pid !== theirs?.pid;
    if (!isShared) {
      return told === undefined || told === null || told === mine?.pid
        ? [ok(name, 'none: connected directly')]
        : [ok(name, 'one that keeps a connection for each session')];
    }
    const carries = await carriesPrepared(url);
    if (carries) return [ok(name, 'in transaction mode, and it carries prepared statements')];
    return [
      warning(
        name,
        'in transaction mode, and it does not carry prepared statements',
        'A statement that was prepared on one connection is sent on another: requests fail.',
        'createPostgresStore({ preparedStatements: false }) and createPgBossJobs({ preparedStatements: false }), or PgBouncer 1.21 with max_prepared_statements > 0.',
      ),
    ];
  } finally {
    await other.close();
  }
};

/** On connections of their own: the name stays behind on the server's. */
async function carriesPrepared(url: string): Promise<boolean> {
  const statement = { name: `semel_doctor_${process.pid}`, text: 'SELECT 1' };
  const [one, two] = await Promise.all([openDatabase(url), openDatabase(url)]);
  try {
    await one.client.query(statement);
    await two.client.query(statement);
    await one.client.query(statement);
    return true;
  } catch {
    return false;
  } finally {
    await one.client.query(`DEALLOCATE ${statement.name}`).catch(() => {});
    await Promise.all([one.close(), two.close()]);
  }
}
