import { fingerprint } from '@semel/contract/v1/pure';
import { Redis } from 'ioredis';
import { guarded } from '../peers/guarded.ts';
import type { Answer, Peer } from '../peers/peer.ts';
import { versionOf } from '../peers/version-of.ts';

/** The least that a replay from Redis can be: look the key up, know the input again. It promises nothing. */
export const redisGet: Peer = guarded(
  {
    name: 'redis-get',
    version: `ioredis ${versionOf('ioredis')}`,
    promises: 'nothing: a GET, and SET after the handler',
    configuration: 'a fingerprint of the input, one GET; what is found is handed out as it is',
    durable: false,
  },
  async (things, { redis }) => {
    const client = new Redis(redis as string);
    return {
      async run(key = '', input): Promise<Answer> {
        const print = fingerprint('create', input);
        const found = await client.get(`get:${key}`);
        if (found !== null && print !== '') return { status: 201, body: found as unknown as Answer['body'] };
        const body = await things.create(input);
        await client.set(`get:${key}`, JSON.stringify(body), 'PX', 3_600_000);
        return { status: 201, body };
      },
      close: async () => client.disconnect(),
    };
  },
);
