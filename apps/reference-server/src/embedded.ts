import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePostgres, ensureRedis } from '@semel/dev-services';
import { createProviderSim } from '@semel/provider-sim';
import { type EmbeddedCampus, startCampus } from './enrollments/embedded-campus.ts';
import type { Settings } from './settings.ts';

/** What the server needs beside itself: given by the settings, or started here. */
export interface Services {
  readonly databaseUrl: string;
  readonly database: 'DATABASE_URL' | 'embedded';
  /** Absent: no layer but the process's own. */
  readonly redisUrl: string | undefined;
  readonly redis: 'REDIS_URL' | 'embedded' | 'none';
  /** Absent: the real provider. */
  readonly providerUrl: string | undefined;
  readonly provider: 'PROVIDER_URL' | 'simulator' | 'stripe';
  readonly campus: Pick<EmbeddedCampus, 'billing' | 'roster'>;
  stop(): Promise<void>;
}

const postgresDir = ({ dataDir }: Settings): string => join(dataDir, 'postgres');

/** Data survives restarts. What was started here ends with this process, also when it is killed. */
export async function startServices(settings: Settings): Promise<Services> {
  const postgres = settings.databaseUrl === undefined ? await startPostgres(settings) : undefined;
  const redis = await startRedis(settings);
  const provider = providerFor(settings);
  const simulator = provider === 'simulator' ? await startSimulator(settings) : undefined;
  const campus = await startCampus(settings);
  return {
    databaseUrl: postgres?.url ?? (settings.databaseUrl as string),
    database: postgres === undefined ? 'DATABASE_URL' : 'embedded',
    redisUrl: settings.redisUrl ?? redis?.url,
    redis: settings.redisUrl !== undefined ? 'REDIS_URL' : redis === undefined ? 'none' : 'embedded',
    providerUrl: simulator?.url ?? settings.providerUrl,
    provider,
    campus,
    async stop() {
      await campus.stop();
      await simulator?.close();
      await redis?.stop();
      await postgres?.stop();
    },
  };
}

function providerFor({ providerUrl, stripeApiKey }: Settings): Services['provider'] {
  if (providerUrl !== undefined) return 'PROVIDER_URL';
  return stripeApiKey === undefined ? 'simulator' : 'stripe';
}

function startPostgres(settings: Settings) {
  const running = runningPostgresUrl(settings);
  if (running !== undefined) {
    throw new Error(
      `${settings.dataDir} is in use by another server: stop it, or set DATA_DIR to another folder`,
    );
  }
  return ensurePostgres({ persistTo: postgresDir(settings) });
}

/**
 * Beside an embedded Postgres only. Other servers may be at work on a `DATABASE_URL`, and what one of them purges would live
 * on for an hour in a Redis that it doesn't know of.
 */
async function startRedis({ databaseUrl, redisUrl, isProduction }: Settings) {
  if (databaseUrl !== undefined || redisUrl !== undefined || isProduction) return undefined;
  // Where none can be had the process's own layer has to do, and the banner says so.
  return ensureRedis().catch(() => undefined);
}

function startSimulator({ dataDir }: Settings) {
  mkdirSync(dataDir, { recursive: true });
  return createProviderSim({ dataFile: join(dataDir, 'provider.jsonl') });
}

/** Of the embedded Postgres that another process (`npm start`) runs on this data, if one does. */
export function runningPostgresUrl(settings: Settings): string | undefined {
  const file = join(postgresDir(settings), 'postmaster.pid');
  if (!existsSync(file)) return undefined;
  // Its lines: process id, data folder, start time, port, …
  const [pid, , , port] = readFileSync(file, 'utf8').split('\n');
  return isAlive(Number(pid)) ? `postgres://postgres@127.0.0.1:${Number(port)}/postgres` : undefined;
}

/** A killed Postgres leaves its file behind. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
