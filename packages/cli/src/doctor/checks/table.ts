import { duration } from '../../terminal/ages.ts';
import { type Check, ok, skipped, warning } from '../check.ts';
import type { Examination } from '../examination.ts';

const MANY_UPDATES = 1000;
const LEAST_HOT = 0.8;
const MANY_DEAD = 10_000;
const OLD_TRANSACTION_MS = 10 * 60_000;

/** The one hot table: whether it is updated in place, cleaned up, and by whom that is held up. */
export const checkTable: Examination = async ({ database, settings: { schema } }) => {
  const [row] = await database.query<{
    updates: number;
    hot: number;
    live: number;
    dead: number;
    vacuumed: Date | null;
    autovacuum: string;
    options: string[] | null;
  }>(
    `SELECT s.n_tup_upd::float8 AS updates, s.n_tup_hot_upd::float8 AS hot, s.n_live_tup::float8 AS live,
       s.n_dead_tup::float8 AS dead, greatest(s.last_autovacuum, s.last_vacuum) AS vacuumed,
       current_setting('autovacuum') AS autovacuum, c.reloptions AS options
     FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
     WHERE s.schemaname = $1 AND s.relname = 'operation'`,
    [schema],
  );
  if (row === undefined) return [skipped('table', 'there are no statistics of it')];
  return [
    hotCheck(row, await indexesOnHotColumns(database, schema), schema),
    vacuumCheck(row, schema),
    ...(await oldTransactions(database)),
  ];
};

type Queries = Parameters<Examination>[0]['database'];

async function indexesOnHotColumns(database: Queries, schema: string): Promise<readonly string[]> {
  const rows = await database.query<{ name: string }>(
    `SELECT indexname AS name FROM pg_indexes
     WHERE schemaname = $1 AND tablename = 'operation'
       AND regexp_replace(indexdef, '^.* USING ', '') ~ '\\m(state|lease_until|expires_at|updated_at)\\M'`,
    [schema],
  );
  return rows.map(({ name }) => name);
}

function hotCheck(
  { updates, hot }: { readonly updates: number; readonly hot: number },
  indexes: readonly string[],
  schema: string,
): Check {
  const ratio = updates === 0 ? 1 : hot / updates;
  const share = `${Math.floor(ratio * 100)} % of ${updates} updates in place (HOT)`;
  const why =
    'An index that names what every renewal and settlement changes makes each of them write to all indexes.';
  if (indexes.length > 0) {
    return warning(
      'table.hot',
      `${share}; somebody made ${indexes.join(', ')}`,
      why,
      `DROP INDEX ${indexes.map((name) => `${schema}.${name}`).join(', ')}.`,
    );
  }
  if (updates >= MANY_UPDATES && ratio < LEAST_HOT) {
    return warning(
      'table.hot',
      share,
      'Updates find no room beside their row: the table and its indexes grow.',
      `Let autovacuum come sooner: ALTER TABLE ${schema}.operation SET (autovacuum_vacuum_scale_factor = 0.02).`,
    );
  }
  return ok('table.hot', share);
}

function vacuumCheck(
  row: {
    readonly live: number;
    readonly dead: number;
    readonly vacuumed: Date | null;
    readonly autovacuum: string;
    readonly options: string[] | null;
  },
  schema: string,
): Check {
  const { live, dead, vacuumed, autovacuum, options } = row;
  const found = `${live} rows, ${dead} dead, cleaned up ${vacuumed === null ? 'never yet' : vacuumed.toISOString()}`;
  if (autovacuum === 'off' || options?.includes('autovacuum_enabled=false') === true) {
    return warning(
      'table.vacuum',
      `autovacuum is off; ${found}`,
      'The table only grows, and look-ups slow down.',
      'Turn autovacuum on.',
    );
  }
  if (dead > MANY_DEAD && dead > live * 0.3) {
    return warning(
      'table.vacuum',
      found,
      'Dead rows are read past by every look-up.',
      `VACUUM ${schema}.operation; look at postgres.transactions for who holds it up.`,
    );
  }
  return ok('table.vacuum', found);
}

async function oldTransactions(database: Queries): Promise<readonly Check[]> {
  const [oldest] = await database.query<{ pid: number; age: number; app: string; state: string }>(
    `SELECT pid, (extract(epoch FROM clock_timestamp() - xact_start) * 1000)::float8 AS age,
       application_name AS app, state
     FROM pg_stat_activity
     WHERE datname = current_database() AND xact_start IS NOT NULL AND backend_type = 'client backend' AND pid <> pg_backend_pid()
     ORDER BY xact_start LIMIT 1`,
  );
  if (oldest === undefined || oldest.age < OLD_TRANSACTION_MS) {
    return [ok('postgres.transactions', 'none is open for long')];
  }
  const { pid, age, app, state } = oldest;
  return [
    warning(
      'postgres.transactions',
      `process ${pid} (${app || 'unnamed'}, ${state}) has one open for ${duration(age)}`,
      'Nothing that died since can be cleaned up, and a migration waits for it.',
      `See what it does (pg_stat_activity); SELECT pg_terminate_backend(${pid}) if nobody needs it.`,
    ),
  ];
}
