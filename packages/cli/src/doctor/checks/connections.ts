import { ok, warning, wrong } from '../check.ts';
import type { Examination } from '../examination.ts';

/** What one server process opens by default: 10 handlers, 4 control, 2 look-ups, 4 jobs. See README.md of the store. */
const OF_A_SERVER = 20;

export const checkConnections: Examination = async ({ database, servers }) => {
  const [row] = await database.query<{ most: number; reserved: number; used: number; role_limit: number }>(
    `SELECT current_setting('max_connections')::int AS most,
       current_setting('superuser_reserved_connections')::int AS reserved,
       (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_limit`,
  );
  if (row === undefined) throw new Error('no answer');
  const { most, reserved, used, role_limit: roleLimit } = row;
  const usable = Math.min(most - reserved, roleLimit >= 0 ? roleLimit : Number.POSITIVE_INFINITY);
  const needed = servers * OF_A_SERVER;
  const of = `${needed} for ${servers} server${servers === 1 ? '' : 's'} with default pools`;
  const found = `${usable} usable, ${used} in use, ${of}`;
  const why =
    'A server that gets no connection in 2 s answers 503; so does everybody else who uses this database.';
  const fix =
    'Raise max_connections (or the role’s CONNECTION LIMIT), make the pools smaller (handlerConnections), or put PgBouncer in between.';
  const name = 'postgres.connections';
  if (needed > usable) return [wrong(name, found, why, fix)];
  // Those in use may be the servers' own, or somebody else's.
  return [used > usable * 0.9 ? warning(name, found, why, fix) : ok(name, found)];
};
