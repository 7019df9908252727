import { afterEach, expect } from 'vitest';
import { createRedisLayer, type RedisLayer, type RedisLayerOptions } from '../redis-layer.ts';
import { randomName } from './fixture.ts';
import type { RedisServer } from './redis-server.ts';

export const MINUTE = 60_000;
/** On a busy machine a moment may take its time. */
export const PATIENCE = { timeout: 20_000 };
export const alice = { owner: 'alice', attempt: 0 };
export const bob = { owner: 'bob', attempt: 0 };

/** Each call another one, of the same tenant and procedure. */
export const operation = (key = randomName()) => ({ scope: 'tenant', procedure: 'pay', key });

/** To be called where hooks are: what the result opens is closed after each test. */
export function layersOn(server: () => RedisServer) {
  const opened: RedisLayer[] = [];
  afterEach(() => Promise.all(opened.splice(0).map((layer) => layer.close())));

  return {
    /** One that answers; with a prefix of its own unless one is given. */
    async open(options: Partial<RedisLayerOptions> = {}) {
      const prefix = options.prefix ?? `${randomName()}:`;
      const layer = createRedisLayer({ connection: server().url, timeoutMs: 5000, ...options, prefix });
      opened.push(layer);
      await expect.poll(() => layer.ready(), PATIENCE).toBe(true);
      return { layer, prefix };
    },
    /** So many connections have subscribed to the messages of a prefix. */
    async subscribed(prefix: string, count = 1): Promise<void> {
      const counted = () => server().admin.pubsub('NUMSUB', `${prefix}changed`);
      await expect.poll(counted, PATIENCE).toEqual([`${prefix}changed`, count]);
    },
  };
}
