import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSemel, type IdempotencyPolicy, type KeyRing, type SemelEvent } from '@semel/server';
import type { Jobs, Store } from '@semel/server/store';
import {
  createWorker,
  type IdempotencyContext,
  type IdempotencyMeta,
  idempotencyContext,
  trpcIdempotency,
} from '@semel/server/trpc';
import { initTRPC, TRPCError } from '@trpc/server';
import { createHTTPHandler } from '@trpc/server/adapters/standalone';
import { applyWSSHandler } from '@trpc/server/adapters/ws';
import type { ClientBase } from 'pg';
import superjson from 'superjson';
import { WebSocketServer } from 'ws';
import { z } from 'zod';

export interface Context {
  readonly idempotency: IdempotencyContext | undefined;
  readonly user: string | undefined;
}

/** What a test sees and steers of the handlers. */
export interface Hooks {
  /** The handler is there; it goes on when this resolves. */
  reached?(at: 'begun' | 'sent', operation: { readonly id: string; readonly attempt: number }): unknown;
  /** Who has lost the right to pay since. */
  readonly banned?: ReadonlySet<string>;
}

const payout = z.object({ amount: z.bigint(), due: z.date() });

/** Payouts that a worker sends: two effects, one outside under a child key, one in the database with the outcome. */
export function createPayouts(options: {
  readonly store: Store<ClientBase>;
  readonly jobs: Jobs<ClientBase>;
  /** Where the tables `sent` and `payouts` are. */
  readonly schema: string;
  /** Writes as the world outside would: on a connection of its own. */
  readonly outside: (sql: string, values: unknown[]) => Promise<unknown>;
  readonly hooks?: Hooks;
  readonly policy?: Partial<IdempotencyPolicy>;
  readonly keyRing?: KeyRing;
}) {
  const { store, jobs, schema, outside, hooks = {}, policy, keyRing } = options;
  const events: SemelEvent[] = [];
  const semel = createSemel({
    store,
    jobs,
    onEvent: (event) => events.push(event),
    ...(keyRing && { keyRing }),
  });
  const t = initTRPC
    .context<Context>()
    .meta<IdempotencyMeta>()
    .create({
      transformer: superjson,
      isDev: false,
      errorFormatter: ({ shape, error }) => ({
        ...shape,
        data: { ...shape.data, bank: (error.cause as { bank?: string } | undefined)?.bank },
      }),
    });
  const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user });
  const authenticated = t.procedure.use(({ ctx, next }) => {
    if (ctx.user === undefined) throw new TRPCError({ code: 'UNAUTHORIZED' });
    if (hooks.banned?.has(ctx.user)) throw new TRPCError({ code: 'FORBIDDEN', message: 'may not pay' });
    return next({ ctx: { user: ctx.user } });
  });
  const queued = {
    mode: 'queued',
    effects: 'steps',
    leaseMs: 1_000,
    backoff: { minMs: 1, maxMs: 20 },
    ...policy,
  } as IdempotencyPolicy;

  const router = t.router({
    pay: idempotent(authenticated)
      .meta({ idempotency: { ...queued, name: 'payouts.pay' } })
      .input(payout)
      .output(z.object({ id: z.string(), amount: z.bigint(), due: z.date(), by: z.string() }))
      .mutation(async ({ ctx: { operation, user }, input }) => {
        operation.progress({ done: 1, of: 3 });
        await hooks.reached?.('begun', operation);
        const sent = await operation.step('send', async (childKey) => {
          await outside(`INSERT INTO ${schema}.sent (child_key) VALUES ($1)`, [childKey]);
          return { bankId: childKey.slice(0, 8) };
        });
        operation.progress({ done: 2, of: 3 });
        await hooks.reached?.('sent', operation);
        return operation.settle(async (tx) => {
          await tx.query(`INSERT INTO ${schema}.payouts (key, scope, amount) VALUES ($1, $2, $3)`, [
            operation.key,
            operation.scope,
            input.amount,
          ]);
          return { id: sent.bankId, ...input, by: user };
        });
      }),
    refused: idempotent(authenticated)
      .meta({ idempotency: queued })
      .input(payout)
      .mutation((): { readonly never: true } => {
        throw new TRPCError({
          code: 'PAYMENT_REQUIRED',
          message: 'account closed',
          cause: Object.assign(new Error('AC04'), { bank: 'AC04' }),
        });
      }),
    flaky: idempotent(authenticated)
      .meta({ idempotency: queued })
      .input(payout)
      .mutation(({ ctx: { operation } }) => {
        if (operation.attempt < 3) throw new Error(`the bank is away (${operation.attempt})`);
        return { attempts: operation.attempt };
      }),
    idempotency: t.router({
      status: idempotent.status(authenticated),
      updates: idempotent.statusUpdates(authenticated, { everyMs: 20 }),
    }),
  });
  return {
    semel,
    events,
    router,
    idempotent,
    work: (concurrency = 4) =>
      createWorker({
        semel,
        router,
        createContext: ({ principal }): Context => ({ idempotency: undefined, user: principal }),
        concurrency,
      }),
  };
}

export type Payouts = ReturnType<typeof createPayouts>;
export type PayoutsRouter = Payouts['router'];

/** On a real HTTP and WebSocket server. On a socket, which has no headers of its own here, everyone is alice. */
export async function serve({ router, idempotent }: Payouts) {
  const createContext = ({ req, info }: Parameters<typeof idempotencyContext>[0]): Context => {
    const { authorization } = req.headers as Record<string, string | undefined>;
    return {
      idempotency: idempotencyContext({ req, info }),
      user: info?.calls.length === 0 ? 'alice' : authorization?.replace('Bearer ', ''),
    };
  };
  const { responseMeta } = idempotent;
  const server = createServer(
    createHTTPHandler({ router, createContext, responseMeta, allowBatching: true }),
  );
  const wss = new WebSocketServer({ server });
  applyWSSHandler({ wss, router, createContext });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    wsUrl: `ws://127.0.0.1:${port}`,
    async close() {
      wss.close();
      for (const socket of wss.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
