import { createHash } from 'node:crypto';
import type { Operation } from '@semel/server';
import type { MemoryTransaction } from '@semel/server/store';
import type { IdempotencyMeta } from '@semel/server/trpc';
import { initTRPC, TRPCError } from '@trpc/server';
import superjson from 'superjson';
import { describe, expect, test } from 'vitest';
import { ZodError, z } from 'zod';
import { type Answer, CARRIERS } from '../fixtures/carriers.ts';
import type { Context } from '../fixtures/trpc-server.ts';
import { createParts, serve } from './app.ts';
import { size } from './situations.ts';

type Mode = 'atomic' | 'leased';
const MODES: readonly Mode[] = ['atomic', 'leased'];
type Handler = (operation: Operation<MemoryTransaction>, run: number) => unknown;

/** An app that shapes errors in its own way: zod's findings, a Date, and who asked. */
async function start(
  mode: Mode,
  handler: Handler,
  options: { isDev?: boolean; procedureFormatter?: boolean } = {},
) {
  const parts = createParts();
  const t = initTRPC
    .context<Context>()
    .meta<IdempotencyMeta>()
    .create({
      transformer: superjson,
      isDev: options.isDev ?? false,
      errorFormatter: ({ shape, error, ctx, path, input }) => ({
        ...shape,
        data: {
          ...shape.data,
          app: 'root',
          zod: error.cause instanceof ZodError ? z.flattenError(error.cause) : null,
          user: ctx?.user,
          saw: { path, input },
          at: new Date(1234567890123),
          tags: new Set(['a']),
        },
      }),
    });
  let runs = 0;
  let formatted = 0;
  const base = options.procedureFormatter
    ? t.procedure.errors(({ error, shape }) => {
        formatted++;
        return error.code === 'PAYMENT_REQUIRED'
          ? {
              ...shape,
              message: 'shaped by the procedure',
              data: { ...shape.data, declined: { on: new Date(5), try: formatted } },
            }
          : undefined;
      })
    : t.procedure;
  const router = t.router({
    pay: parts
      .idempotent(base)
      .meta({ idempotency: { mode, inFlight: 'conflict' } })
      .input(z.unknown())
      .mutation(async ({ ctx }) => handler(ctx.operation, ++runs)),
    plain: t.procedure.input(z.unknown()).mutation(({ input }) => input),
  });
  const server = await serve(parts, router);
  return { ...server, store: parts.store, runs: () => runs };
}

const declined = () => {
  throw new TRPCError({ code: 'PAYMENT_REQUIRED', message: 'declined: 51' });
};
const wrongAmount = () => {
  const parsed = z.object({ amount: z.number().max(10) }).safeParse({ amount: 11 });
  throw new TRPCError({ code: 'BAD_REQUEST', message: 'bad amount', cause: parsed.error });
};

const pay = { path: 'pay', input: { n: 1 }, key: 'k' };

describe.each(MODES)('%s', (mode) => {
  test.each(CARRIERS)('over %s a failure is replayed as the root formatter shaped it', async (carrier) => {
    const app = await start(mode, wrongAmount);
    const client = app.connect(carrier);
    const first = await client.call(pay);
    const second = await client.call(pay);
    const { saw, ...data } = first.shape.data;
    expect(second.shape).toEqual({
      ...first.shape,
      data: { ...data, saw: { path: 'pay', input: { n: 1 } } },
    });
    expect(carrier === 'socket' ? saw.input.input : saw.input).toEqual({ n: 1 });
    expect(second.shape).toEqual({
      message: 'bad amount',
      code: -32600,
      data: {
        code: 'BAD_REQUEST',
        httpStatus: 400,
        path: 'pay',
        app: 'root',
        zod: { formErrors: [], fieldErrors: { amount: ['Too big: expected number to be <=10'] } },
        user: 'alice',
        saw: { path: 'pay', input: { n: 1 } },
        at: new Date(1234567890123),
        tags: new Set(['a']),
      },
    });
    if (carrier === 'single') {
      expect([first.status, second.status]).toEqual([400, 400]);
      expect(first.headers?.get('idempotency-replayed')).toBe(null);
      expect(second.headers?.get('idempotency-replayed')).toBe('true');
      expect(second.headers?.get('idempotency-operation')).toBe(first.headers?.get('idempotency-operation'));
    }
    expect(app.runs()).toBe(1);
  });

  test.each(CARRIERS)(
    "over %s a failure is replayed as the procedure's own formatter shaped it",
    async (carrier) => {
      const app = await start(mode, declined, { procedureFormatter: true });
      const client = app.connect(carrier);
      const first = await client.call(pay);
      const second = await client.call(pay);
      expect(first.shape.message).toBe('shaped by the procedure');
      expect(first.shape.data.declined.on).toEqual(new Date(5));
      expect(first.shape.data.httpStatus).toBe(402);
      expect(second.shape).toEqual(first.shape);
      expect(app.runs()).toBe(1);
    },
  );

  test('a failure that the procedure formatter passes on is shaped by the root formatter', async () => {
    const app = await start(mode, wrongAmount, { procedureFormatter: true });
    const client = app.connect('single');
    const first = await client.call(pay);
    expect(first.shape.data.app).toBe('root');
    expect((await client.call(pay)).shape).toEqual(first.shape);
  });

  test.each([false, true])(
    'an idempotency problem is shaped by the app and carries the problem (procedure formatter: %s)',
    async (procedureFormatter) => {
      const app = await start(mode, () => 'done', { procedureFormatter });
      const client = app.connect('single');
      await client.call(pay);
      const reused = await client.call({ ...pay, input: { n: 2 } });
      expect(reused.shape.data).toMatchObject({
        code: 'UNPROCESSABLE_CONTENT',
        app: 'root',
        user: 'alice',
        at: new Date(1234567890123),
        idempotency: { contract: 1, code: 'key_reused', retryable: false },
      });
    },
  );

  test.each([false, true])(
    'in development no stack is stored, replayed or sent with a problem (procedure formatter: %s)',
    async (procedureFormatter) => {
      const app = await start(mode, declined, { isDev: true, procedureFormatter });
      const client = app.connect('single');
      const first = await client.call(pay);
      const second = await client.call(pay);
      expect(second.shape.data.code).toBe('PAYMENT_REQUIRED');
      expect(JSON.stringify(second.shape)).not.toContain('stack');
      const id = first.headers?.get('idempotency-operation') ?? '';
      expect((await app.store.find(id))?.record.outcome).not.toMatch(/stack|\.ts:\d/);
      const reused = await client.call({ ...pay, input: { n: 2 } });
      expect(reused.shape.data.idempotency.code).toBe('key_reused');
      expect(JSON.stringify(reused.shape)).not.toContain('stack');
    },
  );

  test.each([
    'BAD_REQUEST',
    'PAYMENT_REQUIRED',
    'FORBIDDEN',
    'NOT_FOUND',
    'CONFLICT',
    'UNPROCESSABLE_CONTENT',
  ] as const)('%s thrown by the resolver is final', async (code) => {
    const app = await start(mode, () => {
      throw new TRPCError({ code, message: 'no' });
    });
    const client = app.connect('single');
    const first = await client.call(pay);
    const second = await client.call(pay);
    expect(second.shape).toEqual(first.shape);
    expect(second.status).toBe(first.status);
    expect(app.runs()).toBe(1);
  });

  test.each([
    'UNAUTHORIZED',
    'TIMEOUT',
    'TOO_MANY_REQUESTS',
    'CLIENT_CLOSED_REQUEST',
    'INTERNAL_SERVER_ERROR',
    'BAD_GATEWAY',
    'SERVICE_UNAVAILABLE',
  ] as const)('%s thrown by the resolver is not kept: the next call runs', async (code) => {
    const app = await start(mode, (_, run) => {
      if (run === 1) throw new TRPCError({ code, message: 'not now' });
      return 'done';
    });
    const client = app.connect('single');
    expect((await client.call(pay)).shape.data.code).toBe(code);
    expect((await client.call(pay)).data).toBe('done');
    expect(app.runs()).toBe(2);
  });

  test('what is thrown without being an error fails as tRPC has it, and is not kept', async () => {
    const app = await start(mode, (_, run) => {
      // oxlint-disable-next-line typescript/only-throw-error -- handlers do
      if (run === 1) throw 'a string';
      return 'done';
    });
    const client = app.connect('single');
    expect((await client.call(pay)).shape.data.code).toBe('INTERNAL_SERVER_ERROR');
    expect((await client.call(pay)).data).toBe('done');
  });

  test('simultaneous duplicates of a failure get the same shape', async () => {
    const app = await start(mode, wrongAmount);
    const single = app.connect('batch');
    const [first, second] = (await single.together([pay, pay])) as [Answer, Answer];
    // One led; the other met it, or its record.
    const shapes = [first.shape, second.shape].filter((shape) => shape.data.idempotency === undefined);
    for (const shape of shapes)
      expect(shape.data.zod.fieldErrors.amount).toEqual(['Too big: expected number to be <=10']);
    expect(app.runs()).toBe(1);
  });
});

describe('a refusal', () => {
  const refusal = (operation: Operation<MemoryTransaction>) =>
    operation.refuse(new TRPCError({ code: 'CONFLICT', message: 'sold out' }));
  const check = async (app: Awaited<ReturnType<typeof start>>, written: unknown) => {
    const client = app.connect('single');
    const first = await client.call(pay);
    const second = await client.call(pay);
    expect(first.shape).toMatchObject({
      message: 'sold out',
      data: { code: 'CONFLICT', httpStatus: 409, app: 'root' },
    });
    expect(second.shape).toEqual(first.shape);
    expect(second.headers?.get('idempotency-replayed')).toBe('true');
    expect(app.runs()).toBe(1);
    expect(app.store.committed.get('seats')).toBe(written);
    expect(await size(app.store)).toBe(1);
  };

  test('thrown by an atomic handler rolls its effects back', async () => {
    const app = await start('atomic', (operation) => {
      operation.tx.set('seats', 1);
      throw refusal(operation);
    });
    await check(app, undefined);
  });

  test('returned by an atomic handler keeps its effects', async () => {
    const app = await start('atomic', (operation) => {
      operation.tx.set('seats', 1);
      return refusal(operation);
    });
    await check(app, 1);
  });

  test('returned from settle keeps the effects of that transaction', async () => {
    const app = await start('leased', (operation) =>
      operation.settle(async (tx) => {
        tx.set('seats', 1);
        return refusal(operation);
      }),
    );
    await check(app, 1);
  });

  test('thrown in settle rolls that transaction back', async () => {
    const app = await start('leased', (operation) =>
      operation.settle(async (tx) => {
        tx.set('seats', 1);
        throw refusal(operation);
      }),
    );
    await check(app, undefined);
  });

  test('thrown after a committed transaction keeps what that one wrote', async () => {
    const app = await start('leased', async (operation) => {
      await operation.transaction('reserve', async (tx) => tx.set('seats', 1));
      throw refusal(operation);
    });
    await check(app, 1);
  });

  test('thrown from a step says that the other side said no', async () => {
    const app = await start('leased', (operation) =>
      operation.step('charge', async () => {
        throw refusal(operation);
      }),
    );
    await check(app, undefined);
  });

  test.each([
    [new Error('never mind'), 422, 'UNPROCESSABLE_CONTENT'],
    [Object.assign(new Error('never mind'), { status: 402 }), 402, 'PAYMENT_REQUIRED'],
    [Object.assign(new Error('never mind'), { statusCode: 503 }), 422, 'UNPROCESSABLE_CONTENT'],
  ])('of an error that is not tRPC’s is an answer and no accident: %s is %i', async (error, status, code) => {
    for (const mode of ['atomic', 'leased'] as const) {
      const app = await start(mode, (operation) => operation.refuse(error));
      const client = app.connect('single');
      const first = await client.call(pay);
      const second = await client.call(pay);
      expect([first.status, second.status]).toEqual([status, status]);
      expect(first.shape).toMatchObject({ message: 'never mind', data: { code, httpStatus: status } });
      expect(second.shape).toEqual(first.shape);
      expect(app.runs()).toBe(1);
    }
  });

  test('caught by the handler itself is no refusal', async () => {
    const app = await start('atomic', (operation) => {
      try {
        throw refusal(operation);
      } catch {
        operation.tx.set('seats', 2);
        return 'done';
      }
    });
    expect((await app.connect('single').call(pay)).data).toBe('done');
    expect(app.store.committed.get('seats')).toBe(2);
  });
});

test('a failure too large to keep is gone for later callers, and nothing runs again', async () => {
  const parts = createParts();
  const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create({ transformer: superjson });
  let runs = 0;
  const message = createHash('sha512').update('x').digest('hex').repeat(2);
  const router = t.router({
    pay: parts
      .idempotent(t.procedure)
      .meta({ idempotency: { mode: 'atomic', maxOutcomeBytes: 128 } })
      .mutation(() => {
        runs++;
        throw new TRPCError({ code: 'CONFLICT', message });
      }),
  });
  const client = (await serve(parts, router)).connect('single');
  expect((await client.call({ path: 'pay', key: 'k' })).shape.message).toBe(message);
  const second = await client.call({ path: 'pay', key: 'k' });
  expect(second.shape.data.idempotency).toMatchObject({ code: 'outcome_gone', state: 'failed' });
  expect(runs).toBe(1);
});

describe.each(MODES)('%s: what the formatter is shown', (mode) => {
  async function see(input: unknown, envelope: boolean) {
    const parts = createParts();
    const t = initTRPC
      .context<Context>()
      .meta<IdempotencyMeta>()
      .create({
        transformer: superjson,
        errorFormatter: ({ shape, ctx, input: shown }) => ({
          ...shape,
          data: { ...shape.data, shown, names: Object.keys(ctx ?? {}), user: ctx?.user },
        }),
      });
    const upper = t.procedure.use(({ ctx, next }) => next({ ctx: { user: `${ctx.user}!`, role: 'owner' } }));
    const router = t.router({
      // The plain procedure beside it says what tRPC does without us.
      plain: upper.input(z.object({ n: z.coerce.number() })).mutation(declined),
      pay: parts
        .idempotent(upper)
        .meta({ idempotency: { mode } })
        .input(z.object({ n: z.coerce.number() }))
        .mutation(declined),
      bare: parts.idempotent(upper).meta({ idempotency: { mode } }).mutation(declined),
    });
    const client = (await serve(parts, router)).connect(envelope ? 'socket' : 'single');
    const shown = async (path: string, key?: string) => {
      const { shape } = await client.call({ path, input, ...(key && { key }) });
      const { shown, names, user } = shape.data;
      return { shown, names, user };
    };
    return {
      plain: await shown('plain'),
      first: await shown('pay', 'k'),
      second: await shown('pay', 'k'),
      firstBare: await shown('bare', 'k'),
      secondBare: await shown('bare', 'k'),
    };
  }

  test.each([
    { over: 'HTTP', envelope: false },
    { over: 'a socket', envelope: true },
  ])('over $over is the raw input and the context of the request, on a replay too', async ({ envelope }) => {
    const saw = await see({ n: '5' }, envelope);
    const expected = { shown: { n: '5' }, names: ['idempotency', 'user'], user: 'alice' };
    // tRPC's socket adapter shows what came over the wire before any middleware could unwrap it.
    const first = envelope
      ? { ...expected, shown: { $idempotency: { key: 'k' }, input: { n: '5' } } }
      : expected;
    expect(saw).toEqual({ plain: expected, first, second: expected, firstBare: first, secondBare: expected });
  });
});
