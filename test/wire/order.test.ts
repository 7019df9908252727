import type { IdempotencyMeta } from '@semel/server/trpc';
import { initTRPC, TRPCError } from '@trpc/server';
import superjson from 'superjson';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Context } from '../fixtures/trpc-server.ts';
import { createParts, serve } from './app.ts';
import { size } from './situations.ts';

type Mode = 'atomic' | 'leased';

function app() {
  const parts = createParts();
  const t = initTRPC
    .context<Context>()
    .meta<IdempotencyMeta>()
    .create({ transformer: superjson, isDev: false });
  const seen = { runs: 0, inputs: 0, outputs: 0, order: [] as string[] };
  const guard = t.middleware(({ ctx, next }) => {
    seen.order.push('guard');
    if (ctx.user !== 'alice') throw new TRPCError({ code: 'FORBIDDEN' });
    return next({ ctx: { role: 'owner' as const } });
  });
  const amount = z.object({ amount: z.number().positive() }).transform((value) => {
    seen.order.push('input');
    seen.inputs++;
    return value;
  });
  const output = z.object({ total: z.number().max(100) }).transform((value) => {
    seen.outputs++;
    return { ...value, parsed: seen.outputs };
  });
  const run = (input: { amount: number }) => {
    seen.order.push('run');
    seen.runs++;
    return { total: input.amount };
  };
  const policy = (mode: Mode) => ({ idempotency: { mode } });
  return { ...parts, parts, t, seen, guard, amount, output, run, policy };
}

/** The same procedure, written in every order that tRPC accepts. */
const CHAINS: Record<string, (a: ReturnType<typeof app>, mode: Mode) => object> = {
  'guard, wrapper, input, output, meta': ({ t, guard, idempotent, amount, output, run, policy }, mode) =>
    idempotent(t.procedure.use(guard))
      .input(amount)
      .output(output)
      .meta(policy(mode))
      .mutation(({ input }) => run(input)),
  'wrapper, meta, guard, input, output': ({ t, guard, idempotent, amount, output, run, policy }, mode) =>
    idempotent(t.procedure)
      .meta(policy(mode))
      .use(guard)
      .input(amount)
      .output(output)
      .mutation(({ input }) => run(input)),
  'wrapper, output, input, guard, meta': ({ t, guard, idempotent, amount, output, run, policy }, mode) =>
    idempotent(t.procedure)
      .output(output)
      .input(amount)
      .use(guard)
      .meta(policy(mode))
      .mutation(({ input }) => run(input) as never),
  'input, wrapper, output, guard, meta': ({ t, guard, idempotent, amount, output, run, policy }, mode) =>
    idempotent(t.procedure.input(amount))
      .output(output)
      .use(guard)
      .meta(policy(mode))
      .mutation(({ input }) => run(input) as never),
  'input, output, guard, meta, wrapper': ({ t, guard, idempotent, amount, output, run, policy }, mode) =>
    idempotent(t.procedure.input(amount).output(output).use(guard).meta(policy(mode))).mutation(
      ({ input }) => run(input) as never,
    ),
  'wrapper, meta, concat of a guard, input, output': (
    { t, guard, idempotent, amount, output, run, policy },
    mode,
  ) =>
    idempotent(t.procedure)
      .meta(policy(mode))
      .concat(t.procedure.use(guard))
      .input(amount)
      .output(output)
      .mutation(({ input }) => run(input)),
  'wrapper, concat of guard, input and output, meta': (
    { t, guard, idempotent, amount, output, run, policy },
    mode,
  ) =>
    idempotent(t.procedure)
      .concat(t.procedure.use(guard).input(amount).output(output))
      .meta(policy(mode))
      .mutation(({ input }) => run(input as { amount: number }) as never),
};

const CASES = (['atomic', 'leased'] as const).flatMap((mode) =>
  Object.entries(CHAINS).map(([chain, build]) => ({ mode, chain, build })),
);

describe.each(CASES)('$mode, written as $chain', ({ mode, build }) => {
  async function start() {
    const a = app();
    // biome-ignore lint/suspicious/noExplicitAny: the chains differ in type, not in what they do
    const server = await serve(a.parts, a.t.router({ pay: build(a, mode) as any }));
    return { ...a, client: server.connect('single') };
  }

  test('runs once behind guard and parser, and a replay parses no output again', async () => {
    const { client, seen } = await start();
    const call = { path: 'pay', input: { amount: 5 }, key: 'k' };
    const first = await client.call(call);
    const second = await client.call(call);
    expect(first.data).toEqual({ total: 5, parsed: 1 });
    expect(second.data).toEqual({ total: 5, parsed: 1 });
    expect(second.headers?.get('idempotency-replayed')).toBe('true');
    expect(seen).toMatchObject({ runs: 1, outputs: 1, inputs: 2 });
    expect(seen.order.at(2)).toBe('run');
    expect(seen.order.slice(0, 2).toSorted()).toEqual(['guard', 'input']);
  });

  test('a guard that says FORBIDDEN leaves no record and runs nothing', async () => {
    const { client, seen, store } = await start();
    const refused = await client.call({ path: 'pay', input: { amount: 5 }, key: 'k', user: 'mallory' });
    expect(refused.shape.data.code).toBe('FORBIDDEN');
    expect(seen.runs).toBe(0);
    expect(await size(store)).toBe(0);
  });

  test('a guard that says FORBIDDEN also hides what is stored', async () => {
    const { client } = await start();
    await client.call({ path: 'pay', input: { amount: 5 }, key: 'k' });
    const refused = await client.call({ path: 'pay', input: { amount: 5 }, key: 'k', user: 'mallory' });
    expect(refused.shape.data.code).toBe('FORBIDDEN');
    expect(refused.headers?.get('idempotency-replayed')).toBe(null);
  });

  test('an input that the parser refuses leaves no record; the corrected call runs under the same key', async () => {
    const { client, seen, store } = await start();
    const bad = await client.call({ path: 'pay', input: { amount: -5 }, key: 'k' });
    expect(bad.shape.data).toMatchObject({ code: 'BAD_REQUEST', httpStatus: 400 });
    expect(await size(store)).toBe(0);
    expect((await client.call({ path: 'pay', input: { amount: 5 }, key: 'k' })).data).toMatchObject({
      total: 5,
    });
    expect(seen.runs).toBe(1);
  });

  test('an output that the parser refuses is an error each time, and its effects are not repeated', async () => {
    const { client, seen, store } = await start();
    const call = { path: 'pay', input: { amount: 101 }, key: 'k' };
    expect((await client.call(call)).shape.data.code).toBe('INTERNAL_SERVER_ERROR');
    const again = await client.call(call);
    if (mode === 'atomic') {
      // Rolled back whole: the handler may run again.
      expect(again.shape.data.code).toBe('INTERNAL_SERVER_ERROR');
      expect(await size(store)).toBe(0);
    } else {
      expect(again.shape.data.idempotency.code).toBe('outcome_gone');
      expect(seen.runs).toBe(1);
    }
  });
});

describe.each(['atomic', 'leased'] as const)('%s', (mode) => {
  test('the resolver sees what middlewares put into the context, before and after the wrapper', async () => {
    const { t, idempotent, parts, policy } = app();
    const router = t.router({
      pay: idempotent(t.procedure.use(({ next }) => next({ ctx: { before: 1 } })))
        .meta(policy(mode))
        .use(({ ctx, next }) => next({ ctx: { after: ctx.before + 1, user: `${ctx.user}!` } }))
        .mutation(({ ctx }) => ({
          before: ctx.before,
          after: ctx.after,
          user: ctx.user,
          scope: ctx.operation.scope,
        })),
    });
    const client = (await serve(parts, router)).connect('single');
    // The scope is decided by the context as the last middleware left it.
    expect((await client.call({ path: 'pay', key: 'k' })).data).toEqual({
      before: 1,
      after: 2,
      user: 'alice!',
      scope: 'alice!',
    });
  });

  test('a middleware sees the replayed result like a fresh one', async () => {
    const { t, idempotent, parts, policy } = app();
    const results: unknown[] = [];
    const watched = t.procedure.use(async ({ next }) => {
      const result = await next();
      results.push(result.ok ? result.data : result.error.code);
      return result;
    });
    const router = t.router({
      pay: idempotent(watched)
        .meta(policy(mode))
        .mutation(() => new Date(7)),
      no: idempotent(watched)
        .meta(policy(mode))
        .mutation(() => {
          throw new TRPCError({ code: 'CONFLICT' });
        }),
    });
    const client = (await serve(parts, router)).connect('single');
    for (const path of ['pay', 'pay', 'no', 'no']) await client.call({ path, key: 'k' });
    expect(results).toEqual([new Date(7), new Date(7), 'CONFLICT', 'CONFLICT']);
  });

  test('two input parsers both run, and the raw input decides about sameness', async () => {
    const { t, idempotent, parts, policy } = app();
    const router = t.router({
      pay: idempotent(t.procedure.input(z.object({ a: z.coerce.number() })))
        .meta(policy(mode))
        .input(z.object({ b: z.string().default('b') }))
        .mutation(({ input }) => input),
    });
    const client = (await serve(parts, router)).connect('single');
    expect((await client.call({ path: 'pay', input: { a: '1' }, key: 'k' })).data).toEqual({ a: 1, b: 'b' });
    const reused = await client.call({ path: 'pay', input: { a: 1 }, key: 'k' });
    expect(reused.shape.data.idempotency.code).toBe('key_reused');
  });

  test('an async output parser is awaited before anything is stored', async () => {
    const { t, idempotent, parts, policy } = app();
    let parsed = 0;
    const router = t.router({
      pay: idempotent(t.procedure)
        .meta(policy(mode))
        .output(async (value: unknown) => {
          await Promise.resolve();
          parsed++;
          return { wrapped: value };
        })
        .mutation(() => 'x' as never),
    });
    const client = (await serve(parts, router)).connect('single');
    expect((await client.call({ path: 'pay', key: 'k' })).data).toEqual({ wrapped: 'x' });
    expect((await client.call({ path: 'pay', key: 'k' })).data).toEqual({ wrapped: 'x' });
    expect(parsed).toBe(1);
  });
});

test('a base that several procedures share keeps them apart', async () => {
  const { t, idempotent, parts, guard } = app();
  const base = idempotent(t.procedure)
    .meta({ idempotency: { mode: 'atomic' } })
    .use(guard);
  const router = t.router({
    a: base.mutation(() => 'a'),
    b: base.meta({ idempotency: { mode: 'leased' } }).mutation(({ ctx }) => ctx.operation.mode),
  });
  const client = (await serve(parts, router)).connect('single');
  expect((await client.call({ path: 'a', key: 'k' })).data).toBe('a');
  expect((await client.call({ path: 'b', key: 'k' })).data).toBe('leased');
});

test('a stable name keeps keys bound while a procedure moves', async () => {
  const { t, idempotent, parts } = app();
  let runs = 0;
  const base = idempotent(t.procedure).meta({ idempotency: { mode: 'atomic', name: 'payments.create' } });
  const router = t.router({ old: base.mutation(() => ++runs), fresh: base.mutation(() => ++runs) });
  const client = (await serve(parts, router)).connect('single');
  await client.call({ path: 'old', key: 'k' });
  expect((await client.call({ path: 'fresh', key: 'k' })).data).toBe(1);
  expect(runs).toBe(1);
});
