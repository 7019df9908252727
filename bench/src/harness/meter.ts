import { Redis } from 'ioredis';
import pg from 'pg';

/** What a stretch of work cost the services, exactly. `null`: can't be counted here. */
export interface Cost {
  readonly statements: number | null;
  /** Transactions that wrote something and were committed: each had to reach the disk. */
  readonly commits: number | null;
  readonly redisCommands: number | null;
}

/**
 * Counts at the services, not at the clients: statements by pg_stat_statements, commits in the write-ahead log, Redis
 * commands by its own statistics. Each variant has a database of its own, so that nobody else's work is counted.
 */
export interface Meter {
  around(database: string, work: () => Promise<void>): Promise<Cost>;
  redisVersion(): Promise<string>;
  close(): Promise<void>;
}

/** What {@link createMeter} needs of a Postgres that is started for it. */
export const METER_SETTINGS = {
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.max': '20000',
};

export async function createMeter(postgres: string, redisUrl: string | undefined): Promise<Meter> {
  const client = new pg.Client({ connectionString: postgres });
  await client.connect();
  const canCount = await client
    .query('create extension if not exists pg_stat_statements; create extension if not exists pg_walinspect')
    .then(() => true)
    .catch(() => false); // a Postgres of somebody else's, without them
  const redis = redisUrl === undefined ? undefined : new Redis(redisUrl);

  const snapshot = async (database: string) => {
    const { rows } = canCount ? await client.query<Totals>(TOTALS, [database]) : { rows: [] };
    return { ...rows[0], redis: redis && commandsIn(await redis.info('commandstats')) };
  };
  return {
    async around(database, work) {
      const before = await snapshot(database);
      await work();
      const after = await snapshot(database);
      // Nothing was logged: Postgres would look for a record in vain.
      const silent = canCount && before.lsn === after.lsn ? { rows: [{ commits: 0 }] } : undefined;
      const { rows } =
        silent ??
        (canCount
          ? await client.query<{ commits: number }>(COMMITS, [before.lsn, after.lsn, database])
          : { rows: [] });
      return {
        statements: canCount ? Number(after.statements) - Number(before.statements) : null,
        commits: rows[0]?.commits ?? null,
        redisCommands:
          before.redis === undefined || after.redis === undefined ? null : after.redis - before.redis,
      };
    },
    async redisVersion() {
      const info = await redis?.info('server');
      return /^(?:valkey|redis)_version:(.*)$/m.exec(info ?? '')?.[1]?.trim() ?? 'none';
    },
    async close() {
      await client.end();
      redis?.disconnect();
    },
  };
}

interface Totals {
  readonly statements: string;
  readonly lsn: string;
}

const TOTALS = `
  select coalesce(sum(calls), 0) as statements, pg_current_wal_flush_lsn()::text as lsn
  from pg_stat_statements join pg_database on pg_database.oid = dbid where datname = $1`;

/** Commits whose transaction, or a part of it below a savepoint, wrote to the database. */
const COMMITS = `
  with writers as (
    select distinct block.xid::text as xid
    from pg_get_wal_block_info($1, $2, false) block
    join pg_database on pg_database.oid = block.reldatabase where datname = $3
  )
  select count(*)::int as commits
  from pg_get_wal_records_info($1, $2) record
  where record.resource_manager = 'Transaction' and record.record_type = 'COMMIT' and exists (
    select from writers where writers.xid = record.xid::text
      or writers.xid = any (string_to_array(substring(record.description from 'subxacts: ([0-9 ]+)'), ' '))
  )`;

/** All but those that a client sends when it connects, and the question itself. */
function commandsIn(commandstats: string): number {
  let sum = 0;
  for (const [, command = '', calls] of commandstats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
    if (!/^(info|hello|select|client|auth|ping)/.test(command)) sum += Number(calls);
  }
  return sum;
}
