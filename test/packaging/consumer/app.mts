// What a user writes, against the packed packages: compiled, never run.
import { createSemelClient, type Outcome, outcomeOf } from '@semel/client';
import { fingerprint } from '@semel/contract/v1/pure';
import { createMemoryStore, createSemel, type IdempotencyPolicy, type SemelEvent } from '@semel/server';
import type { Store } from '@semel/server/store';
import {
  type IdempotencyContext,
  type IdempotencyMeta,
  idempotencyContext,
  trpcIdempotency,
} from '@semel/server/trpc';
import { createPostgresStore } from '@semel/store-postgres';
import { createTRPCClient, httpBatchLink } from '@trpc/client';
import { initTRPC } from '@trpc/server';
import type pg from 'pg';
import superjson from 'superjson';
import { z } from 'zod';

interface Context {
  readonly idempotency: IdempotencyContext;
  readonly user: string | undefined;
}

const store: Store<pg.ClientBase> = createPostgresStore({ connection: 'postgres://localhost/app' });
export const inMemory = createSemel({ store: createMemoryStore(), recovery: false });
const semel = createSemel({ store, onEvent: (event: SemelEvent) => console.log(event.type) });
const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create({ transformer: superjson });
const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user });
const leased: IdempotencyPolicy = { mode: 'leased', effects: 'steps' };

const router = t.router({
  order: idempotent(t.procedure)
    .meta({ idempotency: { mode: 'atomic' } })
    .input(z.object({ sku: z.string() }))
    .output(z.object({ id: z.string(), at: z.date() }))
    .mutation(async ({ ctx, input }) => {
      const { rows } = await ctx.operation.tx.query<{ id: string }>('insert …', [input.sku]);
      return { id: rows[0]?.id ?? '', at: new Date() };
    }),
  pay: idempotent(t.procedure)
    .meta({ idempotency: leased })
    .input(z.object({ amount: z.number() }))
    .mutation(async ({ ctx, input }) => {
      const charge = await ctx.operation.step('charge', { input }, async (childKey) => ({ childKey }));
      return ctx.operation.settle(async (tx) => {
        await tx.query('insert …');
        return { charged: charge.childKey };
      });
    }),
  idempotency: t.router({ status: idempotent.status(t.procedure) }),
});
export const createContext = (options: Parameters<typeof idempotencyContext>[0]): Context => ({
  idempotency: idempotencyContext(options),
  user: undefined,
});

const client = createSemelClient();
const api = createTRPCClient<typeof router>({
  links: [
    client.link(),
    httpBatchLink({
      url: 'http://localhost',
      headers: client.headers(),
      fetch: client.fetch(),
      transformer: superjson,
    }),
  ],
});
const order: { id: string; at: Date } = await api.order.mutate({ sku: 'a' });
const paid: Outcome<{ charged: string }, unknown> = await outcomeOf(() => api.pay.mutate({ amount: 1 }));
// @ts-expect-error the input is typed
await api.order.mutate({ sku: 1 });
console.log(order.at.getTime(), paid.status, fingerprint('order', { sku: 'a' }));
