import { createMemoryStore, createSemel, type IdempotencyPolicy } from '@semel/server';
import { type IdempotencyMeta, internalIdempotencyContext, trpcIdempotency } from '@semel/server/trpc';
import { initTRPC, TRPCError } from '@trpc/server';
import { expect, test } from 'vitest';

test('a final failure that the application can not shape is stored all the same', async () => {
  const store = createMemoryStore();
  const semel = createSemel({ store, recovery: false });
  const t = initTRPC
    .context<{ idempotency: ReturnType<typeof internalIdempotencyContext> }>()
    .meta<IdempotencyMeta>()
    .create({
      errorFormatter() {
        throw new Error('formatter is broken');
      },
    });
  const idempotent = trpcIdempotency({ semel, scope: () => 'alice' });
  let runs = 0;
  const router = t.router({
    pay: idempotent(t.procedure)
      .meta({ idempotency: { mode: 'leased' } as IdempotencyPolicy })
      .mutation(async () => {
        runs++;
        throw new TRPCError({ code: 'CONFLICT', message: 'no' });
      }),
  });
  const caller = () => t.createCallerFactory(router)({ idempotency: internalIdempotencyContext('k') });
  await caller()
    .pay()
    .catch(() => {});
  const found = await store.lookup({ scope: 'alice', procedure: 'pay', key: 'k' });
  expect(found?.record.state).toBe('failed');
  await expect(caller().pay()).rejects.toMatchObject({ code: 'CONFLICT', message: 'no' });
  expect(runs).toBe(1);
});
