import { type Check, ok, skipped, warning, wrong } from '../check.ts';
import type { Examination } from '../examination.ts';

/** Whether what was acknowledged is still there after a crash, and after a failover. */
export const checkDurability: Examination = async ({ database }) => {
  const [row] = await database.query<{
    commit: string;
    fsync: string;
    pages: string;
    standbys: string;
    autovacuum: string;
  }>(`SELECT current_setting('synchronous_commit') AS commit, current_setting('fsync') AS fsync,
        current_setting('full_page_writes') AS pages, current_setting('synchronous_standby_names') AS standbys,
        current_setting('autovacuum') AS autovacuum`);
  if (row === undefined) throw new Error('no answer');
  const { commit, fsync, pages, standbys } = row;
  const checks: Check[] = [];
  const off = [fsync === 'off' && 'fsync', pages === 'off' && 'full_page_writes'].filter(
    (name) => name !== false,
  );
  if (off.length > 0) {
    checks.push(
      wrong(
        'postgres.fsync',
        `${off.join(' and ')} off`,
        'After a power cut the database may be unreadable, and every acknowledged result with it.',
        `Turn ${off.join(' and ')} on, everywhere but in a test.`,
      ),
    );
  } else checks.push(ok('postgres.fsync', 'on'));
  checks.push(
    commit === 'off'
      ? wrong(
          'postgres.synchronous_commit',
          'off',
          'A crash loses the newest commits: a call that was answered is run again when its caller retries.',
          'ALTER ROLE … SET synchronous_commit = on.',
        )
      : standbys !== '' && (commit === 'local' || commit === 'remote_write')
        ? warning(
            'postgres.synchronous_commit',
            `${commit}, with synchronous standbys`,
            'A failover to a standby that did not have the commit yet loses it: the call is run again on retry.',
            'synchronous_commit = on (or remote_apply) for this role.',
          )
        : ok('postgres.synchronous_commit', commit),
  );
  checks.push(
    await standbyCheck(standbys, async () => {
      const rows = await database.query<{ n: number }>('SELECT count(*)::int AS n FROM pg_stat_replication');
      return rows[0]?.n ?? 0;
    }),
  );
  return checks;
};

async function standbyCheck(standbys: string, replicas: () => Promise<number>): Promise<Check> {
  const name = 'postgres.standby';
  if (standbys !== '') return ok(name, `synchronous: ${standbys}`);
  const n = await replicas();
  if (n === 0) return skipped(name, 'no replica is connected');
  return warning(
    name,
    `${n} connected, none synchronous`,
    'A failover loses what the new primary did not have yet: those calls are run again when their callers retry.',
    'synchronous_standby_names for at least one, where a lost second costs more than a slower commit.',
  );
}
