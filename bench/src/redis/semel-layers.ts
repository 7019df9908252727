import { createProcessLayer } from '@semel/server';
import { createRedisLayer } from '@semel/store-redis';
import { semelOnTrpc } from '../ours/semel-trpc.ts';
import type { Peer } from '../peers/peer.ts';

const promises = 'as semel-atomic; a replay is answered by the layer, and Postgres alone decides who runs';

/** Redis alone in front of Postgres, so that every replay is one from Redis. */
export const semelRedis: Peer = semelOnTrpc(
  { name: 'semel-redis', promises, configuration: "mode: 'atomic', layers: [createRedisLayer(…)]" },
  () => ({ mode: 'atomic' }),
  (input, operation, create) => create(input, operation.tx),
  ({ redis }) => {
    const layer = createRedisLayer({ connection: redis as string, timeoutMs: 1000 });
    return { layers: [layer], close: () => layer.close() };
  },
);

/** The process's own layer alone. */
export const semelProcess: Peer = semelOnTrpc(
  { name: 'semel-process', promises, configuration: "mode: 'atomic', layers: [createProcessLayer()]" },
  () => ({ mode: 'atomic' }),
  (input, operation, create) => create(input, operation.tx),
  () => ({ layers: [createProcessLayer()], close: async () => {} }),
);
