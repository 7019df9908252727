import type { KeyRing } from '@semel/server';
import type { RedisConnection } from '@semel/store-redis';
import { CommandError, type Terminal } from '../command.ts';
import { type ConfigFile, readConfigFile } from './config-file.ts';
import { keyRingFrom } from './key-ring.ts';

/** Options that every command has that talks to something. */
export const CONNECT_OPTIONS = {
  database: { type: 'string' },
  schema: { type: 'string' },
  redis: { type: 'string' },
  'redis-prefix': { type: 'string' },
  'jobs-schema': { type: 'string' },
  queue: { type: 'string' },
  config: { type: 'string' },
} as const;

export const CONNECT_HELP = `Connection:
  --database <url>      @default DATABASE_URL
  --schema <name>       the store's schema; @default semel
  --redis <url>         @default REDIS_URL; without one Redis is left alone
  --redis-prefix <text> what your servers give createRedisLayer; @default semel:
  --jobs-schema <name>  of pg-boss; @default semel_jobs
  --queue <name>        of pg-boss; @default semel
  --config <module>     exports any of database, schema, redis, redisPrefix, jobsSchema, queue, keyRing, store, jobs,
                        layers; a .js or .ts file; @default SEMEL_CONFIG
  SEMEL_KEY_RING        {"current":"k1","keys":{"k1":"<32 bytes in base64>"}}: for operations that are sealed
`;

/** Where everything is: the command line first, then the config file, then the environment. */
export interface Settings {
  readonly database: string | undefined;
  readonly schema: string;
  readonly redis: RedisConnection | undefined;
  readonly redisPrefix: string;
  readonly jobsSchema: string;
  readonly queue: string;
  readonly keyRing: KeyRing | undefined;
  readonly given: Pick<ConfigFile, 'store' | 'jobs' | 'layers'>;
}

type Values = Readonly<Partial<Record<keyof typeof CONNECT_OPTIONS, string | undefined>>>;

/** @throws CommandError */
export async function settingsFrom(values: Values, terminal: Terminal): Promise<Settings> {
  const { env, cwd } = terminal;
  const path = values.config ?? named(env.SEMEL_CONFIG);
  const config = path === undefined ? {} : await readConfigFile(path, cwd);
  const { store, jobs, layers } = config;
  return {
    database: values.database ?? config.database ?? named(env.DATABASE_URL),
    schema: identifier('--schema', values.schema ?? config.schema ?? 'semel'),
    redis: values.redis ?? config.redis ?? named(env.REDIS_URL),
    redisPrefix: values['redis-prefix'] ?? config.redisPrefix ?? 'semel:',
    jobsSchema: identifier('--jobs-schema', values['jobs-schema'] ?? config.jobsSchema ?? 'semel_jobs'),
    queue: values.queue ?? config.queue ?? 'semel',
    keyRing: config.keyRing ?? keyRingFrom(env.SEMEL_KEY_RING),
    given: { ...(store && { store }), ...(jobs && { jobs }), ...(layers && { layers }) },
  };
}

/** @throws CommandError where none was given */
export function databaseOf({ database }: Settings): string {
  if (database !== undefined) return database;
  throw new CommandError('which database? --database postgres://…, or DATABASE_URL');
}

/** `X=` in a shell means "not set". */
const named = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

/** It becomes part of SQL texts: what the store would refuse is refused here, by the option's name. */
function identifier(option: string, name: string): string {
  if (/^[a-z_][a-z0-9_]{0,62}$/.test(name) && !name.startsWith('pg_')) return name;
  throw new CommandError(
    `${option} is a plain lower-case Postgres identifier (a-z, 0-9, _), not ${JSON.stringify(name)}`,
  );
}
