import type { IdempotencyPolicy, Semel } from '@semel/server';
import { httpIdempotency } from '@semel/server/http';
import type { MemoryTransaction } from '@semel/server/store';
import {
  createWorker,
  type IdempotencyContext,
  type IdempotencyMeta,
  idempotencyContext,
  trpcIdempotency,
} from '@semel/server/trpc';
import { initTRPC, TRPCError } from '@trpc/server';
import { resolveResponse } from '@trpc/server/http';
import type { World } from './engine.ts';
import type { Handlers, Manners, Order, Receipt } from './handlers.ts';

export interface Arrived {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: string | undefined;
}

export interface Replied {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** Where a process takes orders: behind one of the real adapters. */
export type Counter = (arrived: Arrived) => Promise<Replied>;

interface Context {
  readonly idempotency: IdempotencyContext | undefined;
  readonly user: string;
}

const repliedFrom = async (response: Response): Promise<Replied> => ({
  status: response.status,
  headers: response.headers,
  body: await response.text(),
});

/** Behind the tRPC adapter; with a worker where there is a queue. */
export function overTrpc(
  semel: Semel<MemoryTransaction>,
  { random }: World,
  { pay, book }: Handlers,
  isQueued: boolean,
): Counter {
  const manners: Manners<Receipt> = {
    yes: (receipt) => receipt,
    no: () => new TRPCError({ code: 'PAYMENT_REQUIRED', message: 'declined' }),
  };
  const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create({ isDev: false });
  const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user });
  const order = t.procedure.input((value: unknown) => value as Order);
  const inFlight = random.pick(['conflict', { waitMs: 50 }, { waitMs: 1_000 }] as const);
  const leased = { effects: 'steps', leaseMs: random.pick([200, 600]) } as const;
  const queued: IdempotencyPolicy = {
    mode: 'queued',
    ...leased,
    backoff: { minMs: 20, maxMs: 300 },
    // Nobody is there to decide about a dead letter.
    maxAttempts: 1_000,
  };
  const router = t.router({
    pay: idempotent(order)
      .meta({ idempotency: { mode: 'leased', ...leased, inFlight } })
      .mutation(({ ctx, input }) => pay(ctx.operation, input, manners)),
    book: idempotent(order)
      .meta({ idempotency: { mode: 'atomic', inFlight } })
      .mutation(({ ctx, input }) => book(ctx.operation, input, manners)),
    ...(isQueued && {
      send: idempotent(order)
        .meta({ idempotency: queued })
        .mutation(({ ctx, input }) => pay(ctx.operation, input, manners)),
    }),
    idempotency: t.router({ status: idempotent.status(t.procedure) }),
  });
  if (isQueued) {
    createWorker({
      semel,
      router,
      createContext: ({ principal }): Context => ({ idempotency: undefined, user: principal }),
      concurrency: random.pick([1, 4]),
      healEveryMs: random.pick([200, 800]),
      graceMs: random.pick([0, 300]),
    });
  }

  return async ({ url, method, headers, body }) => {
    const signal = new AbortController().signal;
    const req = { method, url, headers, body: null, signal, text: async () => body ?? '' };
    const response = await resolveResponse({
      router,
      req: Object.assign(req, { json: async () => JSON.parse(body ?? 'null') }) as unknown as Request,
      path: new URL(url).pathname.slice(1),
      error: null,
      allowBatching: true,
      createContext: async ({ info }: { info: never }) => ({
        idempotency: idempotencyContext({ req: { headers }, info } as never),
        user: headers.get('authorization') ?? '',
      }),
      responseMeta: idempotent.responseMeta,
    } as never);
    return repliedFrom(response);
  };
}

/** Behind the HTTP adapter: plain routes. */
export function overHttp(
  semel: Semel<MemoryTransaction>,
  { random }: World,
  { pay, book }: Handlers,
): Counter {
  const manners: Manners<Response> = {
    yes: (receipt) => Response.json(receipt, { status: 201 }),
    no: () => Response.json({ message: 'declined' }, { status: 402 }),
  };
  const idempotent = httpIdempotency({
    semel,
    scope: (request: Request) => request.headers.get('authorization') ?? undefined,
  });
  const inFlight = random.pick(['conflict', { waitMs: 50 }, { waitMs: 1_000 }] as const);
  const orderIn = async (request: Request): Promise<Order> => (await request.json()) as Order;
  const leaseMs = random.pick([200, 600]);
  const routes: Readonly<Record<string, (request: Request) => Promise<Response>>> = {
    '/v1/pay': idempotent(
      { name: 'pay', mode: 'leased', effects: 'steps', leaseMs, inFlight },
      async (request, { operation }) => pay(operation, await orderIn(request), manners),
    ),
    '/v1/book': idempotent({ name: 'book', mode: 'atomic', inFlight }, async (request, { operation }) =>
      book(operation, await orderIn(request), manners),
    ),
    '/idempotency/operations': idempotent.status(),
  };
  return async ({ url, method, headers, body }) => {
    const { pathname } = new URL(url);
    const request = new Request(url, { method, headers, ...(body !== undefined && { body }) });
    // As a framework answers what a handler throws.
    const failed = () => new Response('Internal Server Error', { status: 500 });
    const route = routes[pathname] ?? (async () => new Response('', { status: 404 }));
    return repliedFrom(await route(request).catch(failed));
  };
}
