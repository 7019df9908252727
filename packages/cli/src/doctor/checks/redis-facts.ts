import type { RedisConnection } from '@semel/store-redis';
import { type Check, ok, warning, wrong } from '../check.ts';

export type Info = ReadonlyMap<string, string>;

/** `INFO`, line by line. Managed services answer it where they refuse CONFIG. */
export function infoFrom(text: string): Info {
  const lines = text.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1)];
    }),
  );
}

export function versionCheck(info: Info): Check {
  const name = 'redis.version';
  const valkey = info.get('valkey_version');
  if (valkey !== undefined) return ok(name, `Valkey ${valkey}`);
  const version = info.get('redis_version') ?? 'unknown';
  return Number.parseInt(version, 10) >= 7
    ? ok(name, version)
    : warning(
        name,
        version,
        'It is tested with Redis 7 and Valkey.',
        'Upgrade, or watch idempotency.layer.open.',
      );
}

export function roleCheck(info: Info, connection: RedisConnection): readonly Check[] {
  const mode = info.get('redis_mode') ?? 'standalone';
  const role = info.get('role') ?? 'master';
  const asCluster = typeof connection === 'object' && 'cluster' in connection;
  const why = 'Servers leave it out, and Postgres answers everything.';
  if (mode === 'sentinel') {
    return [
      wrong(
        'redis.mode',
        'this is a Sentinel',
        why,
        'Give { sentinels, name } to createRedisLayer, and here with --config.',
      ),
    ];
  }
  if (mode === 'cluster' && !asCluster) {
    return [
      wrong(
        'redis.mode',
        'one node of a Cluster, asked as if it were alone',
        'Most keys are on other nodes: those are refused (MOVED), and servers leave Redis out.',
        'Give { cluster: nodes } to createRedisLayer, and here with --config.',
      ),
    ];
  }
  return [
    ok('redis.mode', mode),
    role === 'master'
      ? ok('redis.role', 'primary')
      : wrong(
          'redis.role',
          'this is a replica',
          `It can't be written to. ${why}`,
          'Connect to the primary, or through Sentinel.',
        ),
  ];
}

/**
 * All keys of the layer have a time to live, so every volatile-* policy may take them, and allkeys-* too: evicting one costs a
 * statement in Postgres, never more. With noeviction a full Redis refuses writes, and is left out until there is room.
 */
export function evictionCheck(info: Info): Check {
  const name = 'redis.eviction';
  const policy = info.get('maxmemory_policy') ?? 'unknown';
  const limit = Number(info.get('maxmemory') ?? 0);
  const found = `${policy}, maxmemory ${limit === 0 ? 'none' : (info.get('maxmemory_human') ?? String(limit))}`;
  if (policy === 'noeviction' && limit > 0) {
    return warning(
      name,
      found,
      'When it is full it refuses writes (OOM): servers leave it out until there is room, and every replay costs Postgres a statement.',
      'maxmemory-policy volatile-lru (also where others keep data without expiry here), or allkeys-lru if this Redis is for caches alone.',
    );
  }
  if (limit === 0) {
    return warning(
      name,
      found,
      'It takes memory until the machine has none, and is killed then.',
      'Set maxmemory, with volatile-lru or allkeys-lru.',
    );
  }
  if (policy.startsWith('allkeys-')) {
    return ok(name, `${found}: right for caches; not where others keep here what must not be lost`);
  }
  return ok(name, found);
}

/** @param save what CONFIG says of snapshots; `undefined` where it isn't told */
export function persistenceCheck(info: Info, save: string | undefined): Check {
  const kept = [info.get('aof_enabled') === '1' && 'AOF', save !== undefined && save !== '' && 'RDB'].filter(
    (how) => how !== false,
  );
  return ok(
    'redis.persistence',
    kept.length === 0
      ? 'none seen, and none is needed'
      : `${kept.join(' and ')}: not needed; restored from before a purge it may replay what was purged for up to an hour`,
  );
}

/** The layer's `timeoutMs` is 100 by default: near it Redis costs more than it saves. */
export function latencyCheck(times: readonly number[]): Check {
  const name = 'redis.latency';
  const sorted = times.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const worst = sorted.at(-1) ?? 0;
  const found = `${median.toFixed(1)} ms, at worst ${worst.toFixed(1)} ms (${times.length} PINGs)`;
  const fix =
    'Put it near the servers; where it has to be far, raise timeoutMs of createRedisLayer and measure.';
  if (median > 80)
    return wrong(name, found, 'Answers come too late (timeoutMs 100): servers leave it out.', fix);
  if (median > 5) return warning(name, found, 'Postgres may be as fast: it saves little.', fix);
  return ok(name, found);
}
