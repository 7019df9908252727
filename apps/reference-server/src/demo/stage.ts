import { randomBytes } from 'node:crypto';
import { type CampusOracle, campusOracle } from '@semel/campus-sim';
import { ensurePostgres, ensureRedis } from '@semel/dev-services';
import type { ChargeCount } from '@semel/provider-sim';
import { type Child, startChild } from '@semel/testing/faults';
import pg from 'pg';
import {
  countEnrollments,
  countOrders,
  countPayments,
  countPayouts,
  type PaymentCount,
  somePayoutRuns,
} from './counts.ts';

/** A server of the story: a process of its own, which can be killed and started again at the same address. */
export interface StageServer {
  readonly url: string;
  /** SIGKILL. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** Everything that is real here: a database, the provider's simulator, billing and roster, two servers. */
export interface Stage {
  /** Two processes on one database. */
  readonly servers: readonly [StageServer, StageServer];
  /** Starts what this run writes down, so that it finds its own. */
  readonly run: string;
  readonly leaseMs: number;
  /** Charges that the provider really made, whose reference begins so. */
  charges(prefix: string): Promise<readonly ChargeCount[]>;
  /** Transfers that the provider really made. */
  transfers(): Promise<readonly ChargeCount[]>;
  payouts(): Promise<readonly string[]>;
  somePayoutRuns(): Promise<void>;
  /** Replays so far by the layer that answered them, of both servers together. */
  answeredBy(): Promise<Readonly<Record<string, number>>>;
  /** Absent: there is none here. One that was given by REDIS_URL is not ours to stop. */
  readonly redis: { readonly canStop: boolean; stop(): Promise<void> } | undefined;
  orders(prefix: string): Promise<readonly string[]>;
  payments(prefix: string): Promise<readonly PaymentCount[]>;
  enrollments(prefix: string): Promise<readonly string[]>;
  readonly billing: CampusOracle;
  readonly roster: CampusOracle;
  close(): Promise<void>;
}

const SERVER = new URL('../main.ts', import.meta.url);
const CAMPUS = new URL('../../../campus-sim/src/main.ts', import.meta.url);
const SIMULATOR = new URL('../../../provider-sim/src/main.ts', import.meta.url);
/** Short, so that nobody waits half a minute for a dead server's claim; still longer than a call to the provider. */
const LEASE_MS = 10_000;
const ENROLLMENT_LEASE_MS = 5_000;

export async function setStage(): Promise<Stage & { readonly where: string }> {
  const undo: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step().catch(() => {});
  };
  try {
    const postgres = await ensurePostgres();
    undo.push(() => postgres.stop());
    const redis = await ensureRedis().catch(() => undefined);
    if (redis !== undefined) undo.push(() => redis.stop());
    const database = await createDatabase(postgres.url);
    undo.push(() => database.drop());
    const simulator = await startChild({ file: SIMULATOR, env: { PORT: '0', DATA_FILE: undefined } });
    undo.push(() => simulator.terminate());
    const providerUrl = String(simulator.ready.url);
    const startService = async (service: string): Promise<CampusOracle> => {
      const child = await startChild({
        file: CAMPUS,
        args: ['--service', service],
        env: { PORT: '0', DATA_FILE: undefined },
      });
      undo.push(() => child.terminate());
      return campusOracle(String(child.ready.url));
    };
    const [billing, roster] = await Promise.all([startService('billing'), startService('roster')]);
    const env = serverEnv(database.url, {
      providerUrl,
      billingUrl: billing.url,
      rosterUrl: roster.url,
      redisUrl: redis?.url,
    });
    const first = await createServer(env); // alone: it migrates
    undo.push(() => first.stop());
    const second = await createServer(env);
    undo.push(() => second.stop());
    const pool = new pg.Pool({ connectionString: database.url, max: 2 });
    undo.push(() => pool.end());

    return {
      where: `database ${postgres.how.split(' ')[0]}, ${redis === undefined ? 'no Redis to be had (each server has its own memory)' : `Redis ${redis.how}`}, provider simulator ${providerUrl}, billing ${billing.url}, roster ${roster.url}, servers ${first.url} and ${second.url}`,
      servers: [first, second],
      run: randomBytes(3).toString('hex'),
      leaseMs: LEASE_MS,
      async charges(prefix) {
        const answer = await fetch(`${providerUrl}/_sim/charges`);
        const all = (await answer.json()) as ChargeCount[];
        return all.filter(({ reference }) => reference?.startsWith(prefix));
      },
      async transfers() {
        const answer = await fetch(`${providerUrl}/_sim/payouts`);
        return (await answer.json()) as ChargeCount[];
      },
      payouts: () => countPayouts(pool),
      somePayoutRuns: () => somePayoutRuns(pool),
      answeredBy: () => answeredBy([first.url, second.url]),
      redis: redis && { canStop: redis.how !== 'REDIS_URL', stop: () => redis.stop() },
      orders: (prefix) => countOrders(pool, prefix),
      payments: (prefix) => countPayments(pool, prefix),
      enrollments: (prefix) => countEnrollments(pool, prefix),
      billing,
      roster,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const serverEnv = (
  databaseUrl: string,
  {
    providerUrl,
    billingUrl,
    rosterUrl,
    redisUrl,
  }: Readonly<Record<'providerUrl' | 'billingUrl' | 'rosterUrl', string>> & {
    readonly redisUrl: string | undefined;
  },
): Record<string, string | undefined> => ({
  NODE_ENV: undefined,
  HOST: undefined,
  STRIPE_API_KEY: undefined,
  DATABASE_URL: databaseUrl,
  PROVIDER_URL: providerUrl,
  BILLING_URL: billingUrl,
  ROSTER_URL: rosterUrl,
  REDIS_URL: redisUrl,
  // A run of its own in a Redis that may be somebody's.
  REDIS_PREFIX: `semel-demo-${randomBytes(4).toString('hex')}`,
  PAYOUT_BACKOFF_MIN_MS: '200',
  SEMEL_DEMO_KEYS: '1',
  PAYMENT_LEASE_MS: String(LEASE_MS),
  ENROLLMENT_LEASE_MS: String(ENROLLMENT_LEASE_MS),
  LOG_LEVEL: 'error',
});

const REPLAYS = /^idempotency_requests_total\{([^}]*)\} (\d+)/gm;

async function answeredBy(urls: readonly string[]): Promise<Record<string, number>> {
  const layers: Record<string, number> = {};
  for (const url of urls) {
    const text = await (await fetch(`${url}/metrics`)).text();
    for (const [, labels = '', count] of text.matchAll(REPLAYS)) {
      const layer = /idempotency_layer="([^"]*)"/.exec(labels)?.[1];
      if (layer !== undefined && layer !== '') layers[layer] = (layers[layer] ?? 0) + Number(count);
    }
  }
  return layers;
}

/** A database of its own: also on a Postgres that belongs to somebody, the story leaves nothing behind. */
async function createDatabase(serverUrl: string): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `semel_demo_${randomBytes(4).toString('hex')}`;
  const admin = async (sql: string): Promise<void> => {
    const client = new pg.Client({ connectionString: serverUrl });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  await admin(`CREATE DATABASE ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => admin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

async function createServer(env: Readonly<Record<string, string | undefined>>) {
  let port = '0';
  let child: Child;
  const start = async (): Promise<void> => {
    child = await startChild({ file: SERVER, env: { ...env, PORT: port } });
    port = new URL(String(child.ready.url)).port;
  };
  await start();
  return {
    url: `http://127.0.0.1:${port}`,
    start,
    kill: async () => void (await child.kill()),
    stop: () => child.terminate(),
  };
}
