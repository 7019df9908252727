// A small real tRPC server with layers in front of Postgres, as a process of its own. Says {"ready":true,"url":…} when it
// listens, and answers { ask: 'report' } with what it has seen since the last time.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createProcessLayer, createSemel, type SemelEvent } from '@semel/server';
import type { Layer } from '@semel/server/store';
import {
  type IdempotencyContext,
  type IdempotencyMeta,
  idempotencyContext,
  trpcIdempotency,
} from '@semel/server/trpc';
import { createPostgresStore } from '@semel/store-postgres';
import { createRedisLayer, type RedisConnection } from '@semel/store-redis';
import { initTRPC } from '@trpc/server';
import { createHTTPHandler } from '@trpc/server/adapters/standalone';
import type { ClientBase } from 'pg';

export interface ServerSettings {
  readonly databaseUrl: string;
  readonly schema: string;
  readonly layers: readonly ('process' | 'redis')[];
  readonly redis?: RedisConnection;
  readonly prefix?: string;
  /** Of the Redis layer. */
  readonly timeoutMs?: number;
  readonly leaseMs: number;
}

/** Since the last report. */
export interface Report {
  /** Replays by who answered: `process`, `redis`, `store`. */
  readonly replayed: Readonly<Record<string, number>>;
  readonly executed: number;
  readonly opened: number;
  readonly closed: number;
  /** From the request line to the answer's last byte, of replays from Redis, in ms, ascending. */
  readonly replayMs: readonly number[];
}

const settings = JSON.parse(process.env.SETTINGS ?? '{}') as ServerSettings;
const { schema, databaseUrl, leaseMs } = settings;

const events: SemelEvent[] = [];
const replayMs: number[] = [];
const store = createPostgresStore({
  connection: { connectionString: databaseUrl, connectionTimeoutMillis: 5_000 },
  schema,
});
const redis =
  settings.redis === undefined
    ? undefined
    : createRedisLayer({
        connection: settings.redis,
        prefix: settings.prefix ?? 'semel:',
        timeoutMs: settings.timeoutMs ?? 100,
      });
const layers = settings.layers.flatMap((name): Layer[] => {
  if (name === 'process') return [createProcessLayer()];
  return redis === undefined ? [] : [redis];
});
await redis?.ready();
const semel = createSemel({ store, layers, recovery: false, onEvent: (event) => events.push(event) });

interface Context {
  readonly idempotency: IdempotencyContext;
  readonly user: string | undefined;
}
const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create({ isDev: false });
const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user });
const insert = async (tx: ClientBase, key: string) => {
  const { rows } = await tx.query<{ id: string }>(
    `INSERT INTO ${schema}.effect (key) VALUES ($1) RETURNING id::text AS id`,
    [key],
  );
  return { id: rows[0]?.id };
};
const inFlight = { waitMs: 10_000 };
const router = t.router({
  order: idempotent(t.procedure)
    .meta({ idempotency: { mode: 'atomic', inFlight } })
    .mutation(({ ctx: { operation } }) => insert(operation.tx, operation.key)),
  pay: idempotent(t.procedure)
    .meta({ idempotency: { mode: 'leased', effects: 'steps', leaseMs, inFlight } })
    .mutation(({ ctx: { operation } }) => operation.settle((tx) => insert(tx, operation.key))),
});

const handler = createHTTPHandler({
  router,
  responseMeta: idempotent.responseMeta,
  createContext: ({ req, info }): Context => ({
    idempotency: idempotencyContext({ req, info }),
    user: req.headers.authorization?.replace('Bearer ', ''),
  }),
});
const server = createServer((request, response) => {
  const startedAt = performance.now();
  response.once('finish', () => {
    if (response.getHeader('idempotency-replayed') !== undefined)
      replayMs.push(performance.now() - startedAt);
  });
  handler(request, response);
});
server.keepAliveTimeout = 60_000;

function report(): Report {
  const seen = events.splice(0);
  const replayed: Record<string, number> = {};
  for (const event of seen) {
    if (event.type === 'replayed') replayed[event.layer] = (replayed[event.layer] ?? 0) + 1;
  }
  const count = (type: SemelEvent['type']) => seen.filter((event) => event.type === type).length;
  return {
    replayed,
    executed: count('executed'),
    opened: count('layer_opened'),
    closed: count('layer_closed'),
    replayMs: replayMs.splice(0).sort((a, b) => a - b),
  };
}

process.on('message', (message: { ask?: string }) => {
  if (message.ask === 'report') process.send?.({ report: report() });
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({ ready: true, url: `http://127.0.0.1:${port}` });
});
async function finish(): Promise<never> {
  await semel.drain(5_000);
  server.close();
  server.closeAllConnections();
  await semel.close();
  await Promise.all([redis?.close(), store.close()]);
  process.exit(0);
}
process.once('SIGTERM', () => void finish());
