import type { Operation } from '@semel/server';
import type { MemoryTransaction } from '@semel/server/store';
import { type IdempotencyMeta, internalIdempotencyContext } from '@semel/server/trpc';
import { initTRPC, TRPCError } from '@trpc/server';
import superjson from 'superjson';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { CARRIERS } from '../fixtures/carriers.ts';
import type { Context } from '../fixtures/trpc-server.ts';
import { createParts, serve } from './app.ts';
import { size } from './situations.ts';

const t = initTRPC
  .context<Context>()
  .meta<IdempotencyMeta>()
  .create({ transformer: superjson, isDev: false });

type Mode = 'atomic' | 'leased';
type Ctx = Context & { operation: Operation<MemoryTransaction> };
type CallInner = (ctx: Context, n: number) => Promise<unknown>;

/** `outer` calls `inner` in its handler, in the way that the test says. */
async function nest(
  modes: { outer: Mode; inner: Mode },
  handler: (inner: CallInner, ctx: Ctx, n: number) => Promise<unknown>,
) {
  const parts = createParts();
  const ran: string[] = [];
  const inner = parts
    .idempotent(t.procedure)
    .meta({ idempotency: { mode: modes.inner } })
    .input(z.number())
    .output(z.object({ inner: z.number(), key: z.string() }))
    .mutation(async ({ input, ctx }) => {
      ran.push(`inner ${input}`);
      if (modes.inner === 'atomic') ctx.operation.tx.set(`inner ${input}`, true);
      // So that two calls at once do run at once.
      await new Promise((resolve) => setImmediate(resolve));
      if (input < 0) throw new TRPCError({ code: 'CONFLICT', message: 'inner says no' });
      return { inner: input, key: ctx.operation.key };
    });
  const createInner = t.createCallerFactory(t.router({ inner }));
  const router = t.router({
    inner,
    plain: t.procedure.input(z.unknown()).mutation(({ input }) => input),
    outer: parts
      .idempotent(t.procedure)
      .meta({ idempotency: { mode: modes.outer } })
      .input(z.number())
      .mutation(async ({ input, ctx }) => {
        ran.push(`outer ${input}`);
        if (modes.outer === 'atomic') ctx.operation.tx.set('outer', true);
        return handler((context, n) => createInner(context).inner(n), ctx, input);
      }),
  });
  const server = await serve(parts, router);
  return { server, store: parts.store, ran, written: () => [...parts.store.committed.keys()].toSorted() };
}

const both = { outer: 'atomic', inner: 'atomic' } as const;
const call = { path: 'outer', input: 1, key: 'k' };

describe('an atomic call inside an atomic handler', () => {
  test.each(CARRIERS)('joins it over %s: one commit, one record, under a child key', async (carrier) => {
    const { server, store, ran, written } = await nest(both, (inner, ctx, n) => inner(ctx, n));
    const client = server.connect(carrier);
    const first = await client.call(call);
    const second = await client.call(call);
    expect(first.data).toEqual({ inner: 1, key: expect.stringMatching(/^[\w-]{43}$/) });
    expect(second.data).toEqual(first.data);
    expect(ran).toEqual(['outer 1', 'inner 1']);
    expect(written()).toEqual(['inner 1', 'outer']);
    expect(await size(store)).toBe(1);
  });

  test("leaves the answer's headers to its caller", async () => {
    const { server, store } = await nest(both, (inner, ctx, n) => inner(ctx, n));
    const client = server.connect('single');
    await client.call({ path: 'inner', input: 1, key: 'k' });
    const outer = await client.call(call);
    const record = await store.lookup({ scope: 'alice', procedure: 'outer', key: 'k' });
    expect(outer.headers?.get('idempotency-replayed')).toBe(null);
    expect(outer.headers?.get('idempotency-operation')).toBe(record?.record.operationId);
  });

  test.each(['batch', 'batch-stream', 'socket'] as const)(
    'is kept apart among several over %s',
    async (carrier) => {
      const { server, ran } = await nest(both, (inner, ctx) => inner(ctx, 0));
      const client = server.connect(carrier);
      const answers = await client.together([
        { path: 'outer', input: 1, key: 'k1' },
        { path: 'outer', input: 2, key: 'k2' },
      ]);
      const keys = answers.map(({ data }) => (data as { key: string }).key);
      expect(new Set(keys).size).toBe(2);
      expect(ran.toSorted()).toEqual(['inner 0', 'inner 0', 'outer 1', 'outer 2']);
    },
  );

  test('that fails takes its caller with it, effects and all, and the failure is replayed', async () => {
    const { server, ran, written } = await nest(both, (inner, ctx) => inner(ctx, -1));
    const client = server.connect('single');
    const first = await client.call(call);
    const second = await client.call(call);
    expect(first.shape).toMatchObject({ message: 'inner says no', data: { code: 'CONFLICT' } });
    expect(second.shape).toEqual(first.shape);
    expect(written()).toEqual([]);
    expect(ran).toEqual(['outer 1', 'inner -1']);
  });

  test('whose failure is caught is rolled back alone', async () => {
    const { server, written } = await nest(both, async (inner, ctx) => {
      await inner(ctx, -1).catch(() => undefined);
      return 'went on';
    });
    expect((await server.connect('single').call(call)).data).toBe('went on');
    expect(written()).toEqual(['outer']);
  });

  test('is undone when its caller fails after it', async () => {
    const { server, store, written } = await nest(both, async (inner, ctx, n) => {
      await inner(ctx, n);
      throw new Error('a hiccup after the inner call');
    });
    expect((await server.connect('single').call(call)).status).toBe(500);
    expect(written()).toEqual([]);
    expect(await size(store)).toBe(0);
  });

  test('beside another at the same time keeps its effects when the other fails', async () => {
    const { server, written } = await nest(both, async (inner, ctx) => {
      const settled = await Promise.allSettled([inner(ctx, -1), inner(ctx, 2)]);
      return settled.map(({ status }) => status);
    });
    expect((await server.connect('single').call(call)).data).toEqual(['rejected', 'fulfilled']);
    expect(written()).toEqual(['inner 2', 'outer']);
  });

  test('and another of the same procedure have keys of their own, which every attempt finds again', async () => {
    const tries: string[][] = [];
    const { server } = await nest(both, async (inner, ctx) => {
      const answers = [await inner(ctx, 1), await inner(ctx, 2)] as { key: string }[];
      tries.push(answers.map(({ key }) => key));
      if (tries.length === 1) throw new Error('a hiccup after both');
      return 'done';
    });
    const client = server.connect('single');
    expect((await client.call(call)).status).toBe(500);
    expect((await client.call(call)).data).toBe('done');
    expect(new Set(tries[0]).size).toBe(2);
    expect(tries[1]).toEqual(tries[0]);
  });

  test('runs once, also behind a middleware that calls next twice', async () => {
    const parts = createParts();
    let runs = 0;
    const twice = t.procedure.use(async ({ next }) => {
      await next();
      return next();
    });
    const inner = parts
      .idempotent(twice)
      .meta({ idempotency: { mode: 'atomic' } })
      .mutation(() => ++runs);
    const createInner = t.createCallerFactory(t.router({ inner }));
    const router = t.router({
      outer: parts
        .idempotent(t.procedure)
        .meta({ idempotency: { mode: 'atomic' } })
        .input(z.number())
        .mutation(({ ctx }) => createInner(ctx).inner()),
    });
    const client = (await serve(parts, router)).connect('single');
    expect((await client.call(call)).data).toBe(1);
    expect(runs).toBe(1);
  });

  test('still parses its input and its output', async () => {
    const { server, ran } = await nest(both, (inner, ctx) => inner(ctx, 'x' as never));
    const answer = await server.connect('single').call(call);
    expect(answer.shape.data.code).toBe('BAD_REQUEST');
    expect(ran).toEqual(['outer 1']);
  });
});

describe.each([
  { outer: 'atomic', inner: 'leased' },
  { outer: 'leased', inner: 'atomic' },
  { outer: 'leased', inner: 'leased' },
] as const)('$inner inside $outer', (modes) => {
  const message = `inner (${modes.inner}) was called inside outer (${modes.outer}): only atomic calls can join. Call its function directly, or from a step with a context of its own and the step's child key.`;

  test('is refused in words, runs nothing of the inner one and keeps nothing', async () => {
    const { server, store, ran, written } = await nest(modes, (inner, ctx, n) => inner(ctx, n));
    const client = server.connect('single');
    expect((await client.call(call)).shape).toMatchObject({
      message,
      data: { code: 'INTERNAL_SERVER_ERROR' },
    });
    expect((await client.call(call)).shape).toMatchObject({ message });
    expect(ran).toEqual(['outer 1', 'outer 1']);
    expect(written()).toEqual([]);
    expect((await store.lookup({ scope: 'alice', procedure: 'inner', key: 'k' }))?.record).toBe(undefined);
  });
});

test('a step that calls with a context of its own and its child key makes an operation that every attempt finds', async () => {
  let attempts = 0;
  const { server, store, ran } = await nest({ outer: 'leased', inner: 'leased' }, async (inner, ctx, n) => {
    const own = (childKey: string): Context => ({
      user: ctx.user,
      idempotency: internalIdempotencyContext(childKey),
    });
    const answer = await ctx.operation.step('inner', (childKey) => inner(own(childKey), n));
    attempts++;
    if (attempts === 1) throw new Error('a hiccup after the step');
    // What a process would do that died before it could record the step.
    expect(await inner(own(ctx.operation.childKey('inner')), n)).toEqual(answer);
    return answer;
  });
  const client = server.connect('single');
  expect((await client.call(call)).status).toBe(500);
  const second = await client.call(call);
  expect(second.data).toEqual({ inner: 1, key: expect.stringMatching(/^[\w-]{43}$/) });
  expect(second.headers?.get('idempotency-replayed')).toBe(null);
  expect(ran).toEqual(['outer 1', 'inner 1', 'outer 1']);
  expect(await size(store)).toBe(2);
});

test('an atomic procedure may call itself: each level joins under a key of its own', async () => {
  const parts = createParts();
  const keys: string[] = [];
  let again: (ctx: Context, n: number) => Promise<unknown> = () => Promise.reject(new Error('not wired'));
  const router = t.router({
    self: parts
      .idempotent(t.procedure)
      .meta({ idempotency: { mode: 'atomic' } })
      .input(z.number())
      .mutation(async ({ ctx, input }): Promise<unknown> => {
        keys.push(ctx.operation.key);
        return input === 0 ? 'bottom' : again(ctx, input - 1);
      }),
  });
  again = (ctx, n) => t.createCallerFactory(router)(ctx).self(n);
  const client = (await serve(parts, router)).connect('single');
  expect((await client.call({ path: 'self', input: 2, key: 'k' })).data).toBe('bottom');
  expect((await client.call({ path: 'self', input: 2, key: 'k' })).data).toBe('bottom');
  expect(new Set(keys).size).toBe(3);
  expect(await size(parts.store)).toBe(1);
});
