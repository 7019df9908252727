import { createMemoryStore, createSemel } from '@semel/server';
import { type IdempotencyMeta, internalIdempotencyContext, trpcIdempotency } from '@semel/server/trpc';
import { initTRPC, TRPCError } from '@trpc/server';
import { expect, test } from 'vitest';

interface Context {
  readonly idempotency: ReturnType<typeof internalIdempotencyContext>;
}

function createApp() {
  const store = createMemoryStore();
  const semel = createSemel({ store, recovery: false });
  const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create();
  const idempotent = trpcIdempotency({ semel, scope: () => 'alice' });
  const keys: string[] = [];
  const line = idempotent(t.procedure)
    .meta({ idempotency: { mode: 'atomic' } })
    .input((input: unknown) => input as { sku: string; fail?: boolean })
    .mutation(({ ctx, input }) => {
      keys.push(ctx.operation.key);
      ctx.operation.tx.set(`line ${input.sku}`, true);
      if (input.fail) throw new TRPCError({ code: 'CONFLICT', message: 'sold out' });
      return input.sku;
    });
  const remote = idempotent(t.procedure)
    .meta({ idempotency: { mode: 'leased' } })
    .mutation(() => 'called');
  const inner = t.router({ line, remote });
  const createInner = t.createCallerFactory(inner);
  const order = idempotent(t.procedure)
    .meta({ idempotency: { mode: 'atomic' } })
    .input((input: unknown) => input as { tolerate?: boolean; remote?: boolean })
    .mutation(async ({ ctx, input }) => {
      ctx.operation.tx.set('order', true);
      const caller = createInner(ctx);
      await caller.line({ sku: 'tea' });
      if (input.remote) return await caller.remote();
      const second = caller.line({ sku: 'salt', fail: true });
      if (input.tolerate) return await second.catch((error: Error) => error.message);
      return await second;
    });
  const createCaller = t.createCallerFactory(t.router({ order }));
  return {
    store,
    keys,
    order: (key: string, input: { tolerate?: boolean; remote?: boolean }) =>
      createCaller({ idempotency: internalIdempotencyContext(key) }).order(input),
  };
}

test('an atomic call inside an atomic handler joins its transaction, and its failure can be caught', async () => {
  const { store, order, keys } = createApp();
  expect(await order('k', { tolerate: true })).toBe('sold out');
  expect(store.committed.get('order')).toBe(true);
  expect(store.committed.get('line tea')).toBe(true);
  expect(store.committed.has('line salt')).toBe(false);
  // Once more: the outer record stands for both.
  expect(await order('k', { tolerate: true })).toBe('sold out');
  expect(keys).toHaveLength(2);
  expect(keys[0]).toMatch(/^[\w-]{43}$/);
});

test('a nested failure that is not caught undoes the whole, and is stored as the outer outcome', async () => {
  const { store, order } = createApp();
  await expect(order('k', {})).rejects.toMatchObject({ code: 'CONFLICT', message: 'sold out' });
  expect(store.committed.size).toBe(0);
  await expect(order('k', {})).rejects.toMatchObject({ code: 'CONFLICT', message: 'sold out' });
});

test('a leased call inside an atomic handler is refused, and says what to do instead', async () => {
  const { store, order } = createApp();
  await expect(order('k', { remote: true })).rejects.toThrow(/only atomic calls can join.*step's child key/);
  expect(store.committed.size).toBe(0);
});
