import { initTRPC } from '@trpc/server';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { createSemel } from '../../semel.ts';
import { createMemoryStore } from '../../store/memory.ts';
import { type IdempotencyContext, internalIdempotencyContext } from './idempotency-context.ts';
import { type IdempotencyMeta, trpcIdempotency } from './trpc-idempotency.ts';

type Context = { user: string; idempotency: IdempotencyContext };
/** What a resolver is called with, also where tRPC's types don't name it. */
type Seen = Record<string, unknown> & { next?: () => Promise<unknown> };

function stage(resolver: (seen: Seen) => unknown) {
  const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create();
  const semel = createSemel({ store: createMemoryStore(), recovery: false });
  const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user });
  const input = z.object({ amount: z.number() });
  const meta = { idempotency: { mode: 'atomic' } } as const;
  const resolve = (seen: object) => resolver(seen as Seen);
  const router = t.router({
    plain: t.procedure.meta(meta).input(input).mutation(resolve),
    keyed: idempotent(t.procedure).meta(meta).input(input).mutation(resolve),
  });
  const call = (name: 'plain' | 'keyed') =>
    router.createCaller({ user: 'alice', idempotency: internalIdempotencyContext('order-1') })[name]({
      amount: 1,
    });
  return { call, close: () => semel.close() };
}

test('a resolver is called with what tRPC calls it with, and its operation', async () => {
  const seen: Seen[] = [];
  const { call, close } = stage((each) => void seen.push(each));
  await call('plain');
  await call('keyed');
  await close();
  const [plain, keyed] = seen;
  expect(Object.keys(keyed ?? {}).sort()).toEqual(Object.keys(plain ?? {}).sort());
  for (const name of ['input', 'type', 'meta', 'signal', 'batchIndex']) {
    expect([name, keyed?.[name]]).toEqual([name, plain?.[name]]);
  }
  expect(keyed?.path).toBe('keyed');
  expect(keyed?.ctx).toMatchObject({ user: 'alice', operation: { key: 'order-1' } });
});

test('nothing comes after the resolver: whoever calls next runs nothing twice', async () => {
  let runs = 0;
  const { call, close } = stage(async ({ next }) => {
    runs++;
    return next?.();
  });
  expect(await call('keyed')).toBeUndefined();
  expect(await call('keyed')).toBeUndefined();
  await close();
  expect(runs).toBe(1);
});
