/**
 * Types that the compiler checks (`tsc -b test`): nothing here is run. A line that must not compile says so with
 * `@ts-expect-error`, and the compiler complains when it does compile.
 */
import { createMemoryStore, createSemel, type Operation, type Refusal } from '@semel/server';
import type { MemoryTransaction } from '@semel/server/store';
import {
  DANGEROUSLY_SHARE_KEYS_BETWEEN_ALL_CALLERS,
  type IdempotencyContext,
  type IdempotencyMeta,
  idempotencyContext,
  trpcIdempotency,
} from '@semel/server/trpc';
import { createTRPCClient, httpLink } from '@trpc/client';
import { type inferRouterInputs, type inferRouterOutputs, initTRPC } from '@trpc/server';
import superjson from 'superjson';
import { z } from 'zod';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Fails to compile unless both are the very same type. */
const same = <A, B>(equal: Equal<A, B>): void => void equal;

interface Context {
  readonly idempotency: IdempotencyContext;
  readonly user: { readonly id: string; readonly admin: boolean };
}
interface Meta extends IdempotencyMeta {
  readonly audit?: 'yes' | 'no';
}

const semel = createSemel({ store: createMemoryStore(), recovery: false });
const t = initTRPC
  .context<Context>()
  .meta<Meta>()
  .create({
    transformer: superjson,
    errorFormatter: ({ shape }) => ({ ...shape, data: { ...shape.data, app: 'mine' as const } }),
  });
const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user.id });

// The context: the application's own, what its middlewares add, and `operation` with the store's transaction.
const withRole = t.procedure.use(({ ctx, next }) =>
  next({ ctx: { role: ctx.user.admin ? ('admin' as const) : ('user' as const) } }),
);
const pay = idempotent(withRole)
  .meta({ idempotency: { mode: 'atomic', ttlMs: 60_000 }, audit: 'yes' })
  .input(z.object({ amount: z.coerce.number(), on: z.date() }))
  .output(
    z.object({ id: z.string(), on: z.date() }).transform((value) => ({ ...value, parsed: true as const })),
  )
  .mutation(({ ctx, input }) => {
    same<typeof ctx.operation, Operation<MemoryTransaction>>(true);
    same<typeof ctx.operation.tx, MemoryTransaction>(true);
    same<typeof ctx.role, 'admin' | 'user'>(true);
    same<typeof ctx.user, Context['user']>(true);
    same<typeof input, { amount: number; on: Date }>(true);
    // @ts-expect-error -- a middleware's context isn't a free-for-all
    void ctx.nothing;
    return { id: 'x', on: input.on };
  });

const ship = idempotent(t.procedure)
  .meta({ idempotency: { mode: 'leased', effects: 'steps', onCrash: 'resume' } })
  .mutation(async ({ ctx }) => {
    const label = await ctx.operation.step('label', async (childKey) => ({ childKey, at: new Date() }));
    same<typeof label, { childKey: string; at: Date }>(true);
    const row = await ctx.operation.transaction('row', async (tx) => {
      same<typeof tx, MemoryTransaction>(true);
      return 5n;
    });
    same<typeof row, bigint>(true);
    const settled = await ctx.operation.settle(async (tx) =>
      tx.get('x') === 1 ? ctx.operation.refuse('no') : { done: true },
    );
    same<typeof settled, { done: boolean }>(true);
    same<ReturnType<typeof ctx.operation.refuse>, Refusal>(true);
    return settled;
  });

const noted = idempotent(t.procedure)
  .meta({ idempotency: { mode: 'atomic', key: 'optional' } })
  .mutation(() => {});

// An output that doesn't fit its parser is found at compile time, as without us.
idempotent(t.procedure)
  .meta({ idempotency: { mode: 'atomic' } })
  .output(z.object({ id: z.string() }))
  // @ts-expect-error -- id must be a string
  .mutation(() => ({ id: 5 }));

// Policies are typed.
// @ts-expect-error -- no such mode
idempotent(t.procedure).meta({ idempotency: { mode: 'magic' } });
// @ts-expect-error -- a mode has to be chosen
idempotent(t.procedure).meta({ idempotency: {} });
// @ts-expect-error -- no such field
idempotent(t.procedure).meta({ idempotency: { mode: 'atomic', ttl: 5 } });
// @ts-expect-error -- milliseconds, not a phrase
idempotent(t.procedure).meta({ idempotency: { mode: 'atomic', ttlMs: '1 day' } });
// @ts-expect-error -- 422 or 409
idempotent(t.procedure).meta({ idempotency: { mode: 'atomic', mismatchStatus: 400 } });
// @ts-expect-error -- the application's own meta stays typed
idempotent(t.procedure).meta({ idempotency: { mode: 'atomic' }, audit: 'maybe' });

// An app whose meta doesn't know `idempotency` can't set it.
const bare = initTRPC.context<Context>().meta<{ audit?: string }>().create();
// @ts-expect-error -- extend the meta type with IdempotencyMeta
idempotent(bare.procedure).meta({ idempotency: { mode: 'atomic' } });

// The scope comes from the context, and is a string.
// @ts-expect-error -- a scope is required
trpcIdempotency({ semel });
// @ts-expect-error -- not from nowhere
trpcIdempotency({ semel, scope: (ctx: Context) => ctx.tenant });
// @ts-expect-error -- a user is no string
trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user });
trpcIdempotency({ semel, scope: DANGEROUSLY_SHARE_KEYS_BETWEEN_ALL_CALLERS });
trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user.id, context: (ctx) => ctx.idempotency });
// @ts-expect-error -- there is no such member to read it from
trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user.id, context: (ctx) => ctx.idem });

// What the compiler doesn't see (each is told at the first call, in words): a context without `idempotency`, a scope that
// reads what another application's context hasn't, and a middleware behind the wrapper, which has no operation yet.
const foreign = initTRPC.context<{ readonly tenant: string }>().meta<IdempotencyMeta>().create();
trpcIdempotency({ semel, scope: (ctx: { readonly tenant: string }) => ctx.tenant })(foreign.procedure);
idempotent(foreign.procedure).use(({ ctx, next }) => {
  same<typeof ctx.operation, Operation<MemoryTransaction>>(true);
  return next();
});

// What adapters hand to createContext fits, whatever kind of request it is.
idempotencyContext({ req: { headers: { 'idempotency-key': 'k' } }, info: { calls: [] } });
idempotencyContext({ req: new Request('https://example.com') });

// What callers infer is what they would infer without us.
const plain = t.router({
  pay: withRole
    .input(z.object({ amount: z.coerce.number(), on: z.date() }))
    .output(
      z.object({ id: z.string(), on: z.date() }).transform((value) => ({ ...value, parsed: true as const })),
    )
    .mutation(({ input }) => ({ id: 'x', on: input.on })),
  ship: t.procedure.mutation(async () => ({ done: true })),
  noted: t.procedure.mutation(() => {}),
});
const router = t.router({ pay, ship, noted });
same<inferRouterInputs<typeof router>, inferRouterInputs<typeof plain>>(true);
same<inferRouterOutputs<typeof router>, inferRouterOutputs<typeof plain>>(true);
same<inferRouterOutputs<typeof router>['pay'], { id: string; on: Date; parsed: true }>(true);
same<inferRouterOutputs<typeof router>['noted'], void>(true);

const links = [httpLink({ url: 'http://localhost', transformer: superjson })];
const client = createTRPCClient<typeof router>({ links });
const plainClient = createTRPCClient<typeof plain>({ links });
same<typeof client.pay.mutate, typeof plainClient.pay.mutate>(true);
same<(typeof router)['_def']['_config']['$types'], (typeof plain)['_def']['_config']['$types']>(true);
// @ts-expect-error -- a date, not a text
void client.pay.mutate({ amount: 5, on: '2027-01-15' });
// @ts-expect-error -- a mutation is no query
void client.pay.query;
