import { randomUUID } from 'node:crypto';
import helmet from '@fastify/helmet';
import websocket from '@fastify/websocket';
import { createProcessLayer, createSemel } from '@semel/server';
import { trpcIdempotency } from '@semel/server/trpc';
import { createPostgresStore } from '@semel/store-postgres';
import { createPgBossJobs } from '@semel/store-postgres/jobs';
import { createRedisLayer } from '@semel/store-redis';
import { type FastifyTRPCPluginOptions, fastifyTRPCPlugin } from '@trpc/server/adapters/fastify';
import Fastify, { LogController } from 'fastify';
import { createAuthenticate, type Principal } from './access/authenticate.ts';
import { addCheckout } from './checkout/checkout.ts';
import { createReadPool } from './database/pool.ts';
import { authenticateRequests } from './http/authentication.ts';
import { REQUEST_TIMEOUT_MS, refuseBrokenHttp, upgradesToWebSocket } from './http/broken-http.ts';
import { createContexts } from './http/context.ts';
import { allowOrigins } from './http/cors.ts';
import { createErrorAnswer, shapeErrors } from './http/errors.ts';
import { addHealth } from './http/health.ts';
import { limitRates } from './http/limits.ts';
import { shedLoad } from './http/overload.ts';
import { createStripeProvider } from './payments/stripe-provider.ts';
import { type AppRouter, createRouter } from './procedures/router.ts';
import { addRest } from './rest/rest.ts';
import type { Settings } from './settings.ts';
import { type LogStream, loggerOptions } from './telemetry/logging.ts';
import { startMetrics } from './telemetry/metrics.ts';
import { createOperationLog } from './telemetry/operation-log.ts';
import { createProviderRefs } from './telemetry/provider-refs.ts';
import { withRequestId } from './telemetry/request-id.ts';
import { startWorker } from './work/worker.ts';

export interface ReferenceServerOptions {
  /** Of these, `databaseUrl` has to be there, and migrated. */
  readonly settings: Settings;
  /** @default standard output */
  readonly logStream?: LogStream;
  /** What `/metrics` says. @default the metrics of this process */
  readonly metricsOfAll?: () => Promise<string>;
}

export interface ReferenceServer {
  /** Where it listens, without a path. */
  readonly url: string;
  /**
   * Answers 503 to new keyed work, finishes what runs, then closes; cuts what is left at the deadline. An attempt that is
   * cut stays claimed until its lease runs out, then the caller's retry goes on with it.
   * @returns how many attempts were still running at the deadline
   */
  drain(deadlineMs?: number): Promise<number>;
  /** Without waiting for anybody. */
  close(): Promise<void>;
}

/** The calls of one HTTP request. A client's `maxItems: 100` fits. */
const MAX_BATCH = 100;

/** Puts a server together and listens. @throws when the port is taken */
export async function createReferenceServer({
  settings,
  logStream,
  metricsOfAll,
}: ReferenceServerOptions): Promise<ReferenceServer> {
  const { databaseUrl, redisUrl, redisPrefix: prefix } = settings;
  if (databaseUrl === undefined) throw new Error('createReferenceServer needs settings.databaseUrl');
  const metrics = startMetrics(); // before createSemel, which makes its instruments at once
  const renderMetrics = metricsOfAll ?? metrics.render;

  const app = Fastify({
    logger: loggerOptions(settings, logStream) ?? true,
    bodyLimit: settings.bodyLimitBytes,
    genReqId: () => randomUUID(),
    logController: new LogController({ requestIdLogLabel: 'requestId' }),
    frameworkErrors: createErrorAnswer(settings) as never,
    clientErrorHandler: refuseBrokenHttp,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { shouldUpgradeCallback: upgradesToWebSocket },
    routerOptions: { maxParamLength: 5_000 }, // a batch's paths stand in one path parameter
  });
  const { log } = app;
  const complain = (what: string) => (error: unknown) => log.error({ err: error }, what);

  const store = createPostgresStore({ connection: databaseUrl, onError: complain('store connection broke') });
  const refs = createProviderRefs();
  // Neither the start nor readiness waits for Redis: without it replays come from Postgres.
  const redis = redisUrl === undefined ? undefined : createRedisLayer({ connection: redisUrl, prefix });
  const layers = [createProcessLayer(), ...(redis === undefined ? [] : [redis])];
  const jobs = createPgBossJobs({ connection: databaseUrl, onError: complain('the queue failed') });
  await jobs.start();
  const semel = createSemel({ store, jobs, layers, onEvent: createOperationLog(log, refs) });
  const db = createReadPool(databaseUrl, complain('database connection broke'));
  const idempotent = trpcIdempotency({
    semel,
    scope: (ctx: { principal?: Principal }) => ctx.principal?.tenantId,
    statusUrl: (operationId) => `/idempotency/operations/${operationId}`,
  });
  const provider = createStripeProvider({
    apiKey: settings.stripeApiKey ?? 'sk_test_simulator',
    url: settings.providerUrl,
    ...settings.payment,
  });
  const router = createRouter({ idempotent, db, provider, refs, log, settings });
  const authenticate = createAuthenticate(db, settings);
  const { workerConcurrency: concurrency } = settings;
  const worker = concurrency > 0 ? startWorker({ semel, router, db, concurrency }) : undefined;

  // In the order in which a request meets them.
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    withRequestId(request.id, done);
  });
  shapeErrors(app, settings);
  await allowOrigins(app, settings); // before whatever refuses: a page has to be able to read Retry-After
  shedLoad(app, settings);
  await app.register(helmet);
  authenticateRequests(app, authenticate);
  await limitRates(app, settings);
  await app.register(websocket, { options: { maxPayload: settings.bodyLimitBytes } });
  const createContext = createContexts(app, authenticate);
  await app.register(fastifyTRPCPlugin, {
    prefix: '/trpc',
    useWSS: true,
    trpcOptions: {
      router,
      createContext,
      maxBatchSize: MAX_BATCH,
      responseMeta: idempotent.responseMeta,
      onError({ error, path, type }) {
        if (error.code === 'INTERNAL_SERVER_ERROR' || error.code === 'BAD_GATEWAY') {
          log.error({ err: error, procedure: path, type }, 'procedure failed');
        }
      },
    },
  } satisfies FastifyTRPCPluginOptions<AppRouter>);
  await addRest(app, {
    router,
    idempotent,
    bodyLimitBytes: settings.bodyLimitBytes,
    onError: ({ error, procedure }) => log.error({ err: error, procedure }, 'procedure failed'),
  });

  if (settings.demoKeys) addCheckout(app);

  let draining = false;
  addHealth(app, {
    isDraining: () => draining,
    checks: { store: () => store.ping(), database: () => db.query('SELECT 1') },
  });
  app.get('/metrics', { config: { rateLimit: false }, logLevel: 'warn' }, async (_request, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(await renderMetrics()),
  );
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? '(none)';
    metrics.answered({ method: request.method, route, status: reply.statusCode, ms: reply.elapsedTime });
  });

  let closed: Promise<void> | undefined;
  /** Answers that are on their way get `graceMs` to arrive. */
  const closeAll = async (graceMs: number): Promise<void> => {
    draining = true;
    const cut = setTimeout(() => app.server.closeAllConnections(), graceMs);
    await app.close();
    clearTimeout(cut);
    await worker?.close(graceMs);
    await semel.close();
    await jobs.close();
    await Promise.all([store.close(), redis?.close(), db.end()]);
  };
  const close = (graceMs = 0): Promise<void> => (closed ??= closeAll(graceMs));

  let url: string;
  try {
    url = await app.listen({ port: settings.port, host: settings.host });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url,
    close: () => close(),
    async drain(deadlineMs = settings.drainMs) {
      draining = true;
      const until = performance.now() + deadlineMs;
      log.info({ event: 'draining' }, 'draining: new work is answered 503');
      const [running] = await Promise.all([semel.drain(deadlineMs), worker?.close(deadlineMs)]);
      log.info({ event: 'drained', running }, running === 0 ? 'drained' : 'the deadline came first');
      await close(Math.max(0, until - performance.now()));
      return running;
    },
  };
}
