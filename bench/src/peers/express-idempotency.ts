import type { Middleware } from 'express';
import { getSharedIdempotencyService, type IIdempotencyDataAdapter, idempotency } from 'express-idempotency';
import redisAdapter from 'express-idempotency-redis-adapter';
import { onExpress } from './express-road.ts';
import type { Peer } from './peer.ts';
import { versionOf } from './version-of.ts';

export const expressIdempotency: Peer = onExpress(
  {
    name: 'express-idempotency',
    version: `express-idempotency ${versionOf('express-idempotency')}, redis-adapter ${versionOf('express-idempotency-redis-adapter')}`,
    promises: '409 while a request runs, replay after; records in Redis, written after the answer has left',
    configuration:
      'as its README mounts it, isHit asked first; all options at their defaults (one TTL of 24 h)',
    durable: false,
  },
  async ({ redis, lockMs }) => {
    const dataAdapter = new redisAdapter.default({
      connectionConfig: { url: redis as string },
      ...(lockMs !== undefined && { ttl: Math.ceil(lockMs / 1000) }),
    });
    await dataAdapter.connect();
    return {
      middleware: [
        idempotency({ dataAdapter: dataAdapter as IIdempotencyDataAdapter }) as unknown as Middleware,
      ],
      isAnswered: (req) => getSharedIdempotencyService().isHit(req),
      close: () => dataAdapter.disconnect(),
    };
  },
);
