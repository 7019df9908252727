import type { RedisConnection } from '@semel/store-redis';
import type { Cluster, Redis, RedisOptions } from 'ioredis';
import { causeOf } from '../connect/failures.ts';
import { redisDriver, redisLayer } from '../connect/packages.ts';
import type { Settings } from '../connect/settings.ts';
import { masked } from '../terminal/masked.ts';
import { type Check, ok, skipped, warning, wrong } from './check.ts';
import {
  evictionCheck,
  infoFrom,
  latencyCheck,
  persistenceCheck,
  roleCheck,
  versionCheck,
} from './checks/redis-facts.ts';
import { clockCheck } from './clock.ts';

const TIMEOUT_MS = 3000;
const PINGS = 20;

/** Redis only saves time, so what is wrong with it costs time; but a Redis that is there and left out helps nobody. */
export async function checkRedis(settings: Settings): Promise<readonly Check[]> {
  const { redis, redisPrefix } = settings;
  if (redis === undefined) return [skipped('redis', 'none is given: Postgres answers everything')];
  const where = typeof redis === 'string' ? masked(redis) : 'as configured';
  const client = await connected(redis);
  if ('error' in client) {
    return [
      wrong(
        'redis.reachable',
        `${where}: ${causeOf(client.error)}`,
        'Servers leave it out and Postgres answers: nothing is lost but time, and Postgres has more to do.',
        'Check address and password; see docs/runbooks/redis-out.md.',
      ),
    ];
  }
  try {
    const info = infoFrom(await client.redis.info());
    const checks: Check[] = [ok('redis.reachable', where), versionCheck(info), ...roleCheck(info, redis)];
    checks.push(await scriptsCheck(redis, redisPrefix));
    checks.push(evictionCheck(info), persistenceCheck(info, await snapshots(client.redis)));
    checks.push(latencyCheck(await pings(client.redis)));
    checks.push(
      await clockCheck('redis.clock', 'Redis', async () => {
        const [seconds, micros] = (await client.redis.call('TIME')) as [string, string];
        return Number(seconds) * 1000 + Number(micros) / 1000;
      }),
    );
    return checks;
  } catch (error) {
    return [
      wrong(
        'redis',
        `${where}: ${causeOf(error)}`,
        'What is not seen may be wrong.',
        'The role (ACL) needs INFO, TIME and PING for this; servers need EVALSHA, SCRIPT, SUBSCRIBE and keys of their prefix.',
      ),
    ];
  } finally {
    client.close();
  }
}

async function connected(
  connection: RedisConnection,
): Promise<{ readonly redis: Redis; close(): void } | { readonly error: unknown }> {
  const { Redis: Client, Cluster: Nodes } = await redisDriver();
  const options = {
    connectTimeout: TIMEOUT_MS,
    commandTimeout: TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: true,
    retryStrategy: () => null,
    replyMapping: 'legacy',
  } satisfies RedisOptions;
  let failed: unknown;
  const client: Redis | Cluster =
    typeof connection === 'string'
      ? new Client(connection, options)
      : 'cluster' in connection
        ? new Nodes([...connection.cluster], {
            ...connection.options,
            redisOptions: { ...connection.options?.redisOptions, ...options },
            clusterRetryStrategy: () => null,
          })
        : new Client({ ...connection, ...options, sentinelRetryStrategy: () => null });
  const close = (): void => client.disconnect();
  client.on('error', (error: unknown) => {
    failed ??= error;
  });
  try {
    await client.ping();
    if (!(client instanceof Nodes)) return { redis: client, close };
    // Of a Cluster any one node is looked at.
    const [node] = client.nodes('master');
    return node === undefined
      ? { error: failed ?? new Error('the Cluster has no primary') }
      : { redis: node, close };
  } catch (error) {
    close();
    return { error: failed ?? error };
  }
}

/** Managed services refuse CONFIG: then nobody knows. */
async function snapshots(redis: Redis): Promise<string | undefined> {
  const told = await redis.config('GET', 'save').catch(() => undefined);
  return Array.isArray(told) && typeof told[1] === 'string' ? told[1] : undefined;
}

/** What a request does, with the layer that servers have: scripts, keys of the prefix, and a write. */
async function scriptsCheck(connection: RedisConnection, prefix: string): Promise<Check> {
  const { createRedisLayer } = await redisLayer();
  const layer = createRedisLayer({ connection, prefix, timeoutMs: TIMEOUT_MS });
  try {
    if (await layer.ready()) return ok('redis.layer', `answers under ${prefix}`);
    return warning(
      'redis.layer',
      `does not answer the layer's script under ${prefix}`,
      'Servers leave it out: full and not evicting, a replica, a Cluster node asked as if it were alone, or no right to scripts.',
      'See the other lines; a Cluster is given as { cluster: nodes } (--config).',
    );
  } finally {
    await layer.close();
  }
}

async function pings(redis: Redis): Promise<readonly number[]> {
  const times: number[] = [];
  for (let i = 0; i < PINGS; i++) {
    const sent = performance.now();
    await redis.ping();
    times.push(performance.now() - sent);
  }
  return times;
}
