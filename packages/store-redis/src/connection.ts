import { Cluster, type ClusterNode, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';

/** Where Redis is: a URL, what `ioredis` takes (Sentinel included), or the nodes of a Cluster. */
export type RedisConnection =
  | string
  | RedisOptions
  | { readonly cluster: readonly ClusterNode[]; readonly options?: ClusterOptions };

/**
 * What a layer needs, whatever was asked for: a command that can't be sent fails at once, and none is sent a second time
 * or later than it was meant.
 */
const PROMPT = {
  enableOfflineQueue: false,
  connectTimeout: 2000,
  replyMapping: 'legacy' as const,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  retryStrategy: (times: number) => Math.min(times * 50, 1000),
} satisfies RedisOptions;

interface Otherwise {
  readonly enableOfflineQueue?: boolean;
  readonly maxRetriesPerRequest?: number | null;
}

export function connect(connection: RedisConnection, otherwise: Otherwise = {}): Redis | Cluster {
  const client = open(connection, otherwise);
  // What goes wrong is seen by the commands that fail; without a listener it would end the process.
  client.on('error', () => {});
  return client;
}

/** What ioredis puts before every key, in scripts too, and before nothing that is published. */
export const keyPrefixOf = ({ options }: Redis | Cluster): string =>
  options.keyPrefix ?? ('redisOptions' in options ? options.redisOptions?.keyPrefix : undefined) ?? '';

function open(connection: RedisConnection, otherwise: Otherwise): Redis | Cluster {
  const options = { ...PROMPT, ...otherwise };
  if (typeof connection === 'string') return new Redis(connection, options);
  if (!('cluster' in connection)) return new Redis({ ...connection, ...options });
  const { retryStrategy, enableOfflineQueue, ...promptly } = options;
  return new Cluster([...connection.cluster], {
    ...connection.options,
    enableOfflineQueue,
    clusterRetryStrategy: retryStrategy,
    redisOptions: { ...connection.options?.redisOptions, ...promptly },
  });
}
