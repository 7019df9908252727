import { isIdempotencyError } from '@semel/server';
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
const MODES = ['atomic', 'leased'] as const;

const thrownBy = async (call: () => Promise<unknown>): Promise<TRPCError> => {
  try {
    await call();
  } catch (error) {
    if (error instanceof TRPCError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};
const codeOf = ({ cause }: TRPCError) => (isIdempotencyError(cause) ? cause.code : undefined);

describe.each(MODES)('%s, called from within the server', (mode) => {
  function app() {
    const parts = createParts();
    let runs = 0;
    const router = t.router({
      pay: parts
        .idempotent(t.procedure)
        .meta({ idempotency: { mode } })
        .input(z.object({ n: z.number() }))
        .mutation(({ input }) => {
          runs++;
          if (input.n < 0) throw new TRPCError({ code: 'CONFLICT', message: 'too little' });
          return { at: new Date(input.n) };
        }),
    });
    const create = t.createCallerFactory(router);
    const caller = (key?: string, user = 'alice') =>
      create({ idempotency: internalIdempotencyContext(key), user });
    return { ...parts, caller, runs: () => runs };
  }

  test('replays under its key with the original types', async () => {
    const { caller, runs } = app();
    expect(await caller('k').pay({ n: 5 })).toEqual({ at: new Date(5) });
    expect(await caller('k').pay({ n: 5 })).toEqual({ at: new Date(5) });
    expect(await caller('k', 'bob').pay({ n: 5 })).toEqual({ at: new Date(5) });
    expect(runs()).toBe(2);
  });

  test('replays a stored failure as the same error', async () => {
    const { caller, runs } = app();
    for (let call = 0; call < 2; call++) {
      const error = await thrownBy(() => caller('k').pay({ n: -1 }));
      expect([error.code, error.message]).toEqual(['CONFLICT', 'too little']);
    }
    expect(runs()).toBe(1);
  });

  test('throws a problem that can be recognised', async () => {
    const { caller, store } = app();
    await caller('k').pay({ n: 5 });
    expect(codeOf(await thrownBy(() => caller('k').pay({ n: 6 })))).toBe('key_reused');
    expect(codeOf(await thrownBy(() => caller().pay({ n: 5 })))).toBe('key_missing');
    expect(await size(store)).toBe(1);
  });

  test.each(['', 'two words', '\u00e9', '\n', 'x'.repeat(256)])(
    'refuses the key %j as malformed',
    async (key) => {
      const { caller, runs } = app();
      expect(codeOf(await thrownBy(() => caller(key).pay({ n: 5 })))).toBe('key_malformed');
      expect(runs()).toBe(0);
    },
  );

  test.each(['a"b', 'a\\b', 'a,b;c', '?1', ':x:'])('takes the key %j as it is', async (key) => {
    const { caller, store } = app();
    await caller(key).pay({ n: 5 });
    expect((await store.lookup({ scope: 'alice', procedure: 'pay', key }))?.record.state).toBe('completed');
  });
});

test('a context without idempotency says what to do', async () => {
  const parts = createParts();
  const router = t.router({
    pay: parts
      .idempotent(t.procedure)
      .meta({ idempotency: { mode: 'atomic' } })
      .mutation(() => 'x'),
  });
  const caller = t.createCallerFactory(router)({ user: 'alice' } as never);
  expect((await thrownBy(() => caller.pay())).message).toBe(
    'The context has no `idempotency`: put idempotencyContext({ req, info }) into it in createContext',
  );
});

test.each(CARRIERS)(
  'over %s, an optional key that is absent runs each time as an operation of its own',
  async (carrier) => {
    const parts = createParts();
    const router = t.router({
      plain: t.procedure.input(z.unknown()).mutation(({ input }) => input),
      note: parts
        .idempotent(t.procedure)
        .meta({ idempotency: { mode: 'atomic', key: 'optional' } })
        .mutation(({ ctx }) => ctx.operation.key),
    });
    const client = (await serve(parts, router)).connect(carrier);
    const first = await client.call({ path: 'note' });
    const second = await client.call({ path: 'note' });
    expect(first.data).toMatch(/^none:[\w-]{22,40}$/);
    expect(second.data).not.toBe(first.data);
    expect(await size(parts.store)).toBe(2);
  },
);

test.each(CARRIERS)('over %s, a derived key makes equal inputs one operation', async (carrier) => {
  const parts = createParts();
  let runs = 0;
  const router = t.router({
    plain: t.procedure.input(z.unknown()).mutation(({ input }) => input),
    note: parts
      .idempotent(t.procedure)
      .meta({ idempotency: { mode: 'atomic', key: 'derived' } })
      .input(z.unknown())
      .mutation(() => ++runs),
  });
  const client = (await serve(parts, router)).connect(carrier);
  expect((await client.call({ path: 'note', input: { a: 1, b: 2 } })).data).toBe(1);
  expect((await client.call({ path: 'note', input: { b: 2, a: 1 } })).data).toBe(1);
  expect((await client.call({ path: 'note', input: { a: 1 } })).data).toBe(2);
});

describe('a handler that calls an idempotent procedure with the context of its request', () => {
  /** `cart` isn't idempotent; it adds one item after the other by `add`. */
  async function shop(key: 'required' | 'optional' | 'derived') {
    const parts = createParts();
    const added: number[] = [];
    const add = parts
      .idempotent(t.procedure)
      .meta({ idempotency: { mode: 'atomic', key } })
      .input(z.number())
      .mutation(({ input }) => added.push(input));
    const createAdd = t.createCallerFactory(t.router({ add }));
    let own: (ctx: Context, nth: number) => Context = (ctx) => ctx;
    const router = t.router({
      plain: t.procedure.input(z.unknown()).mutation(({ input }) => input),
      add,
      cart: t.procedure.input(z.array(z.number())).mutation(async ({ ctx, input }) => {
        const numbers: unknown[] = [];
        for (const [nth, item] of input.entries()) numbers.push(await createAdd(own(ctx, nth)).add(item));
        return numbers;
      }),
    });
    const server = await serve(parts, router);
    const giveOwn = (make: typeof own): void => {
      own = make;
    };
    return { server, added, giveOwn };
  }
  const refusal =
    'add was called from within the server with the context of a request, whose keys are for the calls of that request: give it { ...ctx, idempotency: internalIdempotencyContext(key) }';

  test.each(['single', 'batch', 'batch-stream'] as const)(
    'over %s is refused in words: a key of the request would be the key of both items, or of another call',
    async (carrier) => {
      const { server, added } = await shop('required');
      const client = server.connect(carrier);
      const [cart] = await client.together([{ path: 'cart', input: [7, 7], key: 'k' }]);
      expect(cart?.shape).toMatchObject({ message: refusal, data: { code: 'INTERNAL_SERVER_ERROR' } });
      expect(added).toEqual([]);
      if (carrier === 'single') return;
      const [first, second] = await client.together([
        { path: 'add', input: 7, key: 'k0' },
        { path: 'cart', input: [7], key: 'k1' },
      ]);
      expect([first?.data, second?.shape?.message]).toEqual([1, refusal]);
      expect(added).toEqual([7]);
    },
  );

  test('goes on under a key that it gives', async () => {
    const { server, added, giveOwn } = await shop('required');
    giveOwn((ctx, nth) => ({ ...ctx, idempotency: internalIdempotencyContext(`cart-1/${nth}`) }));
    const client = server.connect('single');
    const cart = { path: 'cart', input: [7, 7] };
    expect((await client.call(cart)).data).toEqual([1, 2]);
    expect((await client.call(cart)).data).toEqual([1, 2]);
    expect(added).toEqual([7, 7]);
  });

  test('runs where the key is derived from the input, and says nothing in the headers of the request', async () => {
    const { server, added } = await shop('derived');
    const client = server.connect('single');
    await client.call({ path: 'cart', input: [7] });
    const again = await client.call({ path: 'cart', input: [7] });
    expect([again.data, again.headers?.get('idempotency-replayed')]).toEqual([[1], null]);
    expect(added).toEqual([7]);
  });

  test('runs without a key where that may be, unless the request was sent with one: its sender meant to be protected', async () => {
    const { server, added } = await shop('optional');
    const client = server.connect('single');
    expect((await client.call({ path: 'cart', input: [7, 7] })).data).toEqual([1, 2]);
    expect((await client.call({ path: 'cart', input: [7], key: 'k' })).shape?.message).toBe(refusal);
    expect(added).toEqual([7, 7]);
  });
});
