import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSemel, type SemelEvent } from '@semel/server';
import type { Store } from '@semel/server/store';
import {
  type IdempotencyContext,
  type IdempotencyMeta,
  idempotencyContext,
  trpcIdempotency,
} from '@semel/server/trpc';
import { initTRPC, TRPCError } from '@trpc/server';
import { createHTTPHandler } from '@trpc/server/adapters/standalone';
import { applyWSSHandler } from '@trpc/server/adapters/ws';
import superjson from 'superjson';
import { WebSocketServer } from 'ws';
import { z } from 'zod';

export interface Context {
  readonly idempotency: IdempotencyContext;
}

/** What a handler did. One line for each time that it did it: a second line with the same key is a double charge. */
export interface Effect {
  readonly key: string;
  readonly sku: string;
}

/**
 * Holds handlers where they have had their effect, and says when one has arrived; `open()` lets all of them go.
 */
export interface Gate {
  readonly arrived: Promise<void>;
  open(): void;
}

const order = z.object({ sku: z.string(), at: z.date().optional() });

/**
 * A real server of an application's own, with an application's own error shape, on the given store. `effects` is the
 * world outside: what is written there stays, whatever becomes of the operation.
 */
export async function startShop<Tx>(
  store: Store<Tx>,
  options: { readonly effects?: Effect[]; readonly port?: number } = {},
) {
  const { effects = [], port = 0 } = options;
  const events: SemelEvent[] = [];
  const semel = createSemel({ store, onEvent: (event) => events.push(event), recovery: false });
  let gate: (Gate & { readonly arrive: () => void; readonly opened: Promise<void> }) | undefined;

  const t = initTRPC
    .context<Context>()
    .meta<IdempotencyMeta>()
    .create({
      transformer: superjson,
      isDev: false,
      errorFormatter: ({ shape, error }) => ({
        ...shape,
        data: {
          ...shape.data,
          shop: 'Semel & Sons',
          declined: (error.cause as Declined | undefined)?.declinedAt,
        },
      }),
    });
  const keyed = trpcIdempotency({ semel, scope: () => 'alice' })(t.procedure);
  const act = async ({ key }: { readonly key: string }, sku: string): Promise<Effect> => {
    const effect = { key, sku };
    effects.push(effect);
    if (gate) {
      gate.arrive();
      await gate.opened;
    }
    return effect;
  };

  const router = t.router({
    /** Its effect is outside of the store: nothing takes it back. */
    order: keyed
      .meta({ idempotency: { mode: 'leased' } })
      .input(order)
      .mutation(async ({ ctx, input }) => {
        const { key, sku } = await act(ctx.operation, input.sku);
        return { orderId: `${sku}-${effects.filter((effect) => effect.key === key).length}`, at: input.at };
      }),
    /** As `order`, and a duplicate isn't kept waiting. */
    impatient: keyed
      .meta({ idempotency: { mode: 'leased', inFlight: 'conflict' } })
      .input(order)
      .mutation(async ({ ctx, input }) => ({ sku: (await act(ctx.operation, input.sku)).sku })),
    decline: keyed
      .meta({ idempotency: { mode: 'leased' } })
      .input(order)
      .mutation(async ({ ctx, input }): Promise<{ never: true }> => {
        await act(ctx.operation, input.sku);
        throw new TRPCError({
          code: 'PAYMENT_REQUIRED',
          message: 'card_declined',
          cause: new Declined(effects.length),
        });
      }),
    /** Fails in a way that is over by the next attempt. */
    stumble: keyed
      .meta({ idempotency: { mode: 'leased' } })
      .input(order)
      .mutation(async ({ ctx, input }) => {
        if (ctx.operation.attempt < 3) throw new Error('deadlock');
        return { sku: (await act(ctx.operation, input.sku)).sku, attempt: ctx.operation.attempt };
      }),
    /** The other side doesn't say whether it did it. */
    silent: keyed
      .meta({ idempotency: { mode: 'leased' } })
      .input(order)
      .mutation(
        ({ ctx, input }): Promise<{ never: true }> =>
          ctx.operation.step('charge', async () => {
            await act(ctx.operation, input.sku);
            throw new Error('the provider hung up');
          }),
      ),
  });

  const createContext = (incoming: Parameters<typeof idempotencyContext>[0]): Context => ({
    idempotency: idempotencyContext(incoming),
  });
  const { responseMeta } = trpcIdempotency({ semel, scope: () => 'alice' });
  const http = createServer(createHTTPHandler({ router, createContext, responseMeta, allowBatching: true }));
  const wss = new WebSocketServer({ server: http });
  applyWSSHandler({ wss, router, createContext });
  await listen(http, port);

  return {
    router,
    port: (http.address() as AddressInfo).port,
    semel,
    effects,
    events,
    /** From now on handlers wait where they have had their effect. */
    hold(): Gate {
      const arrived = Promise.withResolvers<void>();
      const opened = Promise.withResolvers<void>();
      gate = {
        arrived: arrived.promise,
        opened: opened.promise,
        arrive: arrived.resolve,
        open() {
          gate = undefined;
          opened.resolve();
        },
      };
      return gate;
    },
    async close() {
      gate?.open();
      wss.close();
      for (const socket of wss.clients) socket.terminate();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
      await semel.close();
    },
  };
}

export type Shop = Awaited<ReturnType<typeof startShop>>;
export type ShopRouter = Shop['router'];

class Declined extends Error {
  readonly declinedAt: number;
  constructor(declinedAt: number) {
    super('the bank says no');
    this.declinedAt = declinedAt;
  }
}

const listen = (server: Server, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', () => resolve());
  });
