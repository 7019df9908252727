import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { ATOMIC, codes, context, findings, idempotent, t } from '../inspect.fixture.ts';

const done = () => undefined;
const policy = { idempotency: ATOMIC };

test('guards may be added before and after wrapping, before and after the input: all run before the claim', async () => {
  const guarded = idempotent(t.procedure.use(({ next }) => next()))
    .meta(policy)
    .use(({ next }) => next())
    .input((value: unknown) => value)
    .use(({ next }) => next());
  expect(await codes(t.router({ it: guarded.mutation(done) }))).toEqual([]);
});

test('a middleware that something put behind the claim is an error', async () => {
  const it = idempotent(t.procedure).meta(policy).mutation(done);
  // What instruments procedures after they were built does this.
  const { middlewares } = it._def as unknown as { middlewares: unknown[] };
  let runs = 0;
  middlewares.splice(-1, 0, async function instrumented(call: { next(): unknown }) {
    runs++;
    return call.next();
  });
  const router = t.router({ it });
  expect(await findings(router)).toMatchObject([
    {
      code: 'middleware_inside_claim',
      severity: 'error',
      what: 'runs the middleware instrumented behind the claim',
    },
  ]);
  await router.createCaller(context('behind')).it();
  // It may be a guard: it's late, but not skipped.
  expect(runs).toBe(1);
});

// biome-ignore lint/suspicious/noExplicitAny: a middleware of any shape
type AnyMiddleware = any;
const withMiddleware = async (middleware: AnyMiddleware) => {
  const it = idempotent(t.procedure.use(middleware)).meta(policy).mutation(done);
  return (await findings(t.router({ it }))).map(({ code, severity, what }) => `${severity} ${code}: ${what}`);
};

test.each([
  [
    'a clock',
    async ({ next, getRawInput }: AnyMiddleware) => {
      const raw = await getRawInput();
      return next({ getRawInput: async () => ({ ...raw, at: Date.now() }) });
    },
    'warning raw_input_changed: looks like a middleware puts Date.now() into the raw input, which is another on every attempt',
  ],
  [
    'a random id, by name',
    async function stamps(opts: AnyMiddleware) {
      const id = randomUUID();
      const raw = await opts.getRawInput();
      const stamped = { ...raw, id };
      return opts.next({ ctx: {}, getRawInput: () => Promise.resolve(stamped) });
    },
    'warning raw_input_changed: looks like the middleware stamps puts randomUUID() into the raw input, which is another on every attempt',
  ],
  [
    'a clock, in place',
    async ({ next, getRawInput }: AnyMiddleware) => {
      const raw = await getRawInput();
      raw.at = new Date();
      return next();
    },
    'warning raw_input_changed: looks like a middleware puts Date() into the raw input, which is another on every attempt',
  ],
  [
    'the same each time',
    async ({ next, getRawInput }: AnyMiddleware) => {
      const raw = await getRawInput();
      return next({ getRawInput: async () => raw.trim() });
    },
    'advice raw_input_changed: looks like a middleware changes the raw input',
  ],
])('a middleware that changes the raw input is found: %s', async (_, middleware, expected) => {
  expect(await withMiddleware(middleware)).toEqual([expected]);
});

test.each([
  ['passes it on', async ({ next, getRawInput }: AnyMiddleware) => next({ ctx: {}, getRawInput })],
  ['passes it on by member', async (opts: AnyMiddleware) => opts.next({ getRawInput: opts.getRawInput })],
  [
    'reads it',
    async ({ next, getRawInput, ctx }: AnyMiddleware) => {
      const raw = await getRawInput();
      ctx.log = { at: Date.now(), size: JSON.stringify(raw).length };
      return next();
    },
  ],
  ['puts a clock into the context', async ({ next }: AnyMiddleware) => next({ ctx: { at: Date.now() } })],
])('a middleware that %s is not reported', async (_, middleware) => {
  expect(await withMiddleware(middleware)).toEqual([]);
});
