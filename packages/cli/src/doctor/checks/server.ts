import { ok, warning, wrong } from '../check.ts';
import { clockCheck } from '../clock.ts';
import type { Examination } from '../examination.ts';

/** Which server this is, whether it may be written to, and what time it has. */
export const checkServer: Examination = async ({ database }) => {
  const [row] = await database.query<{
    version: string;
    number: number;
    replica: boolean;
    read_only: string;
    isolation: string;
  }>(`SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
        pg_is_in_recovery() AS replica, current_setting('default_transaction_read_only') AS read_only,
        current_setting('default_transaction_isolation') AS isolation`);
  if (row === undefined) throw new Error('no answer');
  const { version, number, replica, read_only: readOnly, isolation } = row;
  return [
    number >= 140_000
      ? ok('postgres.version', version)
      : wrong(
          'postgres.version',
          version,
          'The statements need what came with Postgres 14.',
          'Upgrade to 14 or newer.',
        ),
    replica
      ? wrong(
          'postgres.primary',
          'this is a replica',
          'A replica can be read only, and lags: it is no authority on who runs.',
          'Connect to the primary: target_session_attrs, or the address that follows a failover.',
        )
      : readOnly === 'on'
        ? wrong(
            'postgres.primary',
            'default_transaction_read_only is on',
            'Nothing can be claimed: every keyed request is answered 503.',
            'ALTER ROLE … SET default_transaction_read_only = off, or connect to the primary.',
          )
        : ok('postgres.primary', 'the primary, writable'),
    isolation === 'read committed'
      ? ok('postgres.isolation', isolation)
      : warning(
          'postgres.isolation',
          `the default is ${isolation}`,
          'It is right all the same, but statements that collide are run again: slower under load.',
          "ALTER ROLE … SET default_transaction_isolation = 'read committed'; ask for more where a handler needs it.",
        ),
    await clockCheck('postgres.clock', 'Postgres', async () => {
      const [clock] = await database.query<{ ms: string }>(
        'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::text AS ms',
      );
      return Number(clock?.ms);
    }),
  ];
};
