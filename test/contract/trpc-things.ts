import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CORS_ALLOW_HEADERS, CORS_EXPOSE_HEADERS } from '@semel/contract/v1/pure';
import { createSemel, type IdempotencyPolicy } from '@semel/server';
import type { Store } from '@semel/server/store';
import { createWorker, type IdempotencyMeta, trpcIdempotency } from '@semel/server/trpc';
import type { ContractTarget } from '@semel/testing';
import { initTRPC, TRPCError } from '@trpc/server';
import { createHTTPHandler } from '@trpc/server/adapters/standalone';
import superjson from 'superjson';
import { type Context, createContext } from '../fixtures/trpc-server.ts';
import { createMaker, type Mode, ORIGIN, payloadInput, type Thing } from './things.ts';
import type { World } from './world.ts';

const SHAPES: Readonly<Record<string, unknown>> = {
  null: null,
  zero: 0,
  false: false,
  'empty-string': '',
};

const answering = {
  done(thing: Thing, { answer = '' }: { readonly answer?: string }): unknown {
    if (answer in SHAPES) return SHAPES[answer];
    return answer === 'large' ? { ...thing, filling: 'x'.repeat(20_000) } : thing;
  },
  refused: () => new TRPCError({ code: 'PAYMENT_REQUIRED', message: 'declined' }),
};

/** Two tRPC servers on one world, and how the suite asks them. */
export async function startTrpcThings<Tx>(
  world: World<Tx>,
  mode: Mode,
  policy: Partial<IdempotencyPolicy> = {},
): Promise<{ readonly target: ContractTarget; close(): Promise<void> }> {
  const servers = await Promise.all(
    world.stores.map((store, index) => serve(world, store, index, mode, policy)),
  );
  const [first, second] = servers as [Served, Served];
  return {
    target: {
      url: first.url,
      secondUrl: second.url,
      carrier: 'trpc',
      transformer: 'superjson',
      path: 'things.create',
      otherPath: 'things.other',
      optionalPath: 'things.optional',
      ...(world.jobs && { queuedPath: 'things.queued' }),
      principals: [{ authorization: 'Bearer alice' }, { authorization: 'Bearer bob' }],
      status: { path: 'idempotency.status', procedure: 'things.create' },
      origin: ORIGIN,
      countEffects: world.count,
      breakStore: world.breakStore,
      ...(world.expire && { expire: world.expire }),
    },
    async close() {
      for (const server of servers) await server.close();
      await world.close();
    },
  };
}

type Served = Awaited<ReturnType<typeof serve>>;

async function serve<Tx>(
  world: World<Tx>,
  store: Store<Tx>,
  index: number,
  mode: Mode,
  policy: Partial<IdempotencyPolicy>,
) {
  const jobs = world.jobs?.[index];
  const semel = createSemel({ store, recovery: false, ...(jobs && { jobs }) });
  const t = initTRPC
    .context<Context>()
    .meta<IdempotencyMeta>()
    .create({ transformer: superjson, isDev: false });
  const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user });
  const authenticated = t.procedure.use(({ ctx, next }) => {
    if (ctx.user === undefined) throw new TRPCError({ code: 'UNAUTHORIZED' });
    return next({ ctx: { user: ctx.user } });
  });
  const make = createMaker(world, mode, answering);
  const create = (key: 'required' | 'optional') =>
    idempotent(authenticated)
      .meta({ idempotency: { mode, key, maxOutcomeBytes: 10_000, ...policy } as IdempotencyPolicy })
      .input(payloadInput)
      .mutation(({ ctx, input }) => make(ctx.operation, input));
  const makeLater = createMaker(world, 'leased', answering);
  const queued = idempotent(authenticated);
  const router = t.router({
    things: t.router({
      // Without jobs there is no such procedure.
      ...(jobs && {
        queued: queued
          .meta({ idempotency: { mode: 'queued', effects: 'steps', backoff: { minMs: 1, maxMs: 10 } } })
          .input(payloadInput)
          .mutation(({ ctx, input }) => makeLater(ctx.operation, input)),
      }),
      create: create('required'),
      other: create('required'),
      optional: create('optional'),
    }),
    idempotency: t.router({ status: idempotent.status(authenticated) }),
  });
  const worker =
    jobs &&
    createWorker({
      semel,
      router,
      createContext: ({ principal }) => ({ user: principal }),
    });
  const handler = createHTTPHandler({
    router,
    createContext,
    responseMeta: idempotent.responseMeta,
    allowBatching: true,
  });
  const server = createServer((req, res) => {
    res.setHeader('access-control-allow-origin', ORIGIN);
    res.setHeader('access-control-expose-headers', CORS_EXPOSE_HEADERS.join(', '));
    if (req.method !== 'OPTIONS') return handler(req, res);
    const allowed = ['content-type', 'authorization', ...CORS_ALLOW_HEADERS].join(', ');
    res.writeHead(204, { 'access-control-allow-headers': allowed }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await worker?.close(1_000);
      await semel.close();
    },
  };
}
