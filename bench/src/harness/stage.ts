import { ensurePostgres, ensureRedis, type Service } from '@semel/dev-services';
import pg from 'pg';
import type { Variant } from '../variants.ts';
import { createMeter, METER_SETTINGS, type Meter } from './meter.ts';
import type { ServerOptions } from './order.ts';
import { type Server, startServer } from './start-server.ts';

/** A variant with a database of its own, in which nobody else's work is counted. */
export interface Entrant {
  readonly variant: Variant;
  /** Its database's name, by which the meter knows it. */
  readonly database: string;
  start(options?: Omit<ServerOptions['services'], 'postgres' | 'redis'>): Promise<Server>;
  /** What autovacuum does to a table within its first minutes: plans made while it was empty are made again. */
  analyze(): Promise<void>;
  /** The id of every effect, by the reference it happened under. */
  effectsByReference(prefix: string): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Effects that happened under references that begin so. */
  effects(prefix: string): Promise<number>;
}

export interface Versions {
  readonly postgres: string;
  readonly redis: string;
}

export interface Stage {
  /** The URL of a database that belongs to no entrant. */
  readonly postgres: string;
  readonly versions: Versions;
  readonly entrants: readonly Entrant[];
  readonly meter: Meter;
  close(): Promise<void>;
}

/** Postgres and Redis, and a place in them for every variant that can run here. */
export async function openStage(variants: readonly Variant[], tell: (line: string) => void): Promise<Stage> {
  const postgres = await ensurePostgres({ settings: { ...METER_SETTINGS, max_connections: '500' } });
  const redis = await ensureRedis().catch((error: Error): undefined => {
    tell(error.message);
  });
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  const meter = await createMeter(postgres.url, redis?.url);
  const versions = { postgres: await postgresVersion(client), redis: await meter.redisVersion() };
  const entrants: Entrant[] = [];
  const stamp = Date.now().toString(36);
  const databases: string[] = [];
  for (const variant of variants) {
    if (variant.needsRedis && redis === undefined) {
      tell(`left out, as it needs Redis: ${variant.name}`);
      continue;
    }
    const database = `bench_${stamp}_${databases.length}`;
    await client.query(`create database ${database}`);
    databases.push(database);
    entrants.push(createEntrant({ variant, database, postgres, redis, index: databases.length }));
  }
  return {
    postgres: postgres.url,
    versions,
    entrants,
    meter,
    async close() {
      await meter.close();
      for (const database of databases) await client.query(`drop database ${database} with (force)`);
      await client.end();
      await Promise.all([postgres.stop(), redis?.stop()]);
    },
  };
}

async function postgresVersion(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ server_version: string }>('show server_version');
  return rows[0]?.server_version ?? 'unknown';
}

function createEntrant(given: {
  variant: Variant;
  database: string;
  postgres: Service;
  redis: Service | undefined;
  index: number;
}): Entrant {
  const { variant, database, redis } = given;
  const url = new URL(given.postgres.url);
  url.pathname = `/${database}`;
  const services: ServerOptions['services'] = {
    postgres: url.href,
    // Redis has 16 databases unless told otherwise; names of keys differ anyway.
    ...(redis && { redis: redis.how === 'REDIS_URL' ? redis.url : `${redis.url}/${given.index % 16}` }),
  };
  const query = async <R extends pg.QueryResultRow>(sql: string, values: string[] = []): Promise<R[]> => {
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    const { rows } = await client.query<R>(sql, values);
    await client.end();
    return rows;
  };
  const ask = <R extends pg.QueryResultRow>(sql: string, prefix: string) => query<R>(sql, [`${prefix}%`]);
  return {
    variant,
    database,
    start: (options) => startServer({ variant: variant.name, services: { ...services, ...options } }),
    async analyze() {
      await query('analyze');
    },
    effects: (prefix) =>
      ask<{ count: number }>(
        'select count(*)::int as count from effects where reference like $1',
        prefix,
      ).then(([row]) => row?.count ?? 0),
    async effectsByReference(prefix) {
      const rows = await ask<{ id: string; reference: string }>(
        'select id::text, reference from effects where reference like $1',
        prefix,
      );
      const byReference = new Map<string, string[]>();
      for (const { id, reference } of rows) {
        byReference.set(reference, [...(byReference.get(reference) ?? []), id]);
      }
      return byReference;
    },
  };
}
