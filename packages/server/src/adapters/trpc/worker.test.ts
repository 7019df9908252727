import type { AcceptedBody } from '@semel/contract/v1/pure';
import { initTRPC, lazy, TRPCError } from '@trpc/server';
import { afterEach, expect, test } from 'vitest';
import { type IdempotencyPolicy, PolicyError } from '../../admission/policy.ts';
import type { Operation } from '../../engine/operation.ts';
import { createMemoryJobs } from '../../jobs/memory-jobs.ts';
import { createSemel, type Semel } from '../../semel.ts';
import { createMemoryStore } from '../../store/memory.ts';
import type { SemelEvent } from '../../telemetry/events.ts';
import { type IdempotencyContext, internalIdempotencyContext } from './idempotency-context.ts';
import { type IdempotencyMeta, trpcIdempotency } from './trpc-idempotency.ts';
import { createWorker } from './worker.ts';

interface Context {
  readonly idempotency?: IdempotencyContext;
  readonly user?: string;
  readonly banned?: boolean;
}
type Rescheduled = { readonly error?: Error; readonly uncounted?: true };
type Handler = (call: {
  readonly ctx: Context & { readonly operation: Operation };
  readonly input: unknown;
}) => unknown;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const queued: IdempotencyPolicy = {
  mode: 'queued',
  effects: 'steps',
  backoff: { minMs: 1, maxMs: 2 },
  maxAttempts: 3,
};
const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create();

/** A server and a worker in one process. Everything that ran is in `ran`, as `user:input`. */
function rig(
  options: {
    readonly handler?: Handler;
    readonly policy?: IdempotencyPolicy;
    readonly createContext?: (request: { readonly principal: string }) => object | Promise<object>;
    readonly guard?: (next: () => Promise<never>) => Promise<never>;
  } = {},
) {
  const { policy = queued, createContext = ({ principal }) => ({ user: principal }) } = options;
  const store = createMemoryStore();
  const jobs = createMemoryJobs({ againMs: 1 });
  const events: SemelEvent[] = [];
  const semel = createSemel({ store, jobs, recovery: false, onEvent: (event) => events.push(event) });
  const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user });
  const ran: string[] = [];
  const handler: Handler = options.handler ?? (() => 'done');
  const authenticated = t.procedure.use(({ ctx, next }) => {
    if (ctx.banned) throw new TRPCError({ code: 'FORBIDDEN', message: 'banned' });
    return options.guard === undefined ? next() : options.guard(next as never);
  });
  const make = (meta: IdempotencyPolicy) =>
    idempotent(authenticated)
      .meta({ idempotency: meta })
      .input((value: unknown) => value)
      .mutation(async (call) => {
        ran.push(`${call.ctx.user}:${JSON.stringify(call.input)}`);
        return (await handler(call as never)) as string;
      });
  const router = t.router({ pay: make(policy), other: make(queued), plain: make({ mode: 'leased' }) });
  const worker = createWorker({ semel, router, createContext, resolveEveryMs: 10, healEveryMs: 50 });
  cleanups.push(async () => {
    await worker.close(1_000);
    await semel.close();
  });
  const callerOf = t.createCallerFactory(router);
  const ask = (ctx: object, path: 'pay' | 'other' | 'plain' = 'pay', input: unknown = 1) =>
    callerOf(ctx as Context)[path](input) as Promise<unknown>;
  /** As a request of alice would. */
  const send = async (key: string, input: unknown = 1, user = 'alice'): Promise<string> => {
    const body = await ask({ idempotency: internalIdempotencyContext(key), user }, 'pay', input);
    return (body as AcceptedBody).operationId;
  };
  const until = async (operationId: string, ...states: string[]) => {
    const stateNow = async () => (await store.find(operationId))?.record.state ?? '';
    await expect.poll(async () => states.includes(await stateNow()), { interval: 5 }).toBe(true);
    return (await store.find(operationId))?.record;
  };
  /** Before its handler: none of its three attempts is used up. */
  const failedOnce = async (operationId: string) => {
    const told = () => events.find(({ type }) => type === 'rescheduled') as Rescheduled | undefined;
    await expect.poll(told).toBeDefined();
    // It may have been tried again meanwhile, and failed again: then there is one more of those that don't count.
    const { state, attempt = 0, policy: recorded } = (await store.find(operationId))?.record ?? {};
    const ended = state === 'accepted' ? attempt : attempt - 1;
    expect(ended).toBeGreaterThan(0);
    expect((recorded?.maxAttempts ?? 0) - ended).toBe(3);
    expect(told()?.uncounted).toBe(true);
    return told();
  };
  return { store, semel, router, events, ran, ask, send, until, failedOnce, callerOf };
}

test('what is accepted is run as its caller, and replayed to the same key', async () => {
  const { ask, ran, until } = rig();
  const call = () => ask({ idempotency: internalIdempotencyContext('k'), user: 'alice' });
  const body = (await call()) as AcceptedBody;
  expect(body).toStrictEqual({
    $idempotency: 'accepted',
    operationId: expect.any(String),
    pollAfterMs: expect.any(Number),
  });
  await until(body.operationId, 'completed');
  expect(await call()).toBe('done');
  expect(ran).toStrictEqual(['alice:1']);
});

test('createContext is told who asked and what is known of the operation', async () => {
  const asked: unknown[] = [];
  const { send, until } = rig({
    createContext(request) {
      asked.push(request);
      return { user: request.principal };
    },
  });
  const operationId = await send('k');
  await until(operationId, 'completed');
  expect(asked).toStrictEqual([
    {
      principal: 'alice',
      operation: {
        operationId,
        scope: 'alice',
        procedure: 'pay',
        key: 'k',
        attempt: 1,
        createdAt: expect.any(Number),
      },
    },
  ]);
});

test('a guard that refuses in the worker is the final answer', async () => {
  const { send, until, ran } = rig({ createContext: () => ({ user: 'alice', banned: true }) });
  const record = await until(await send('k'), 'failed');
  expect(JSON.parse(record?.outcome ?? '')).toMatchObject({
    ok: false,
    error: { httpStatus: 403, message: 'banned' },
  });
  expect(ran).toStrictEqual([]);
});

test.each(['createContext', 'a guard'])(
  'what %s throws because its database is away is no attempt of the operation',
  async (thrower) => {
    let isWorker = false;
    const away = new Error('the users are away');
    const { send, failedOnce, ran } = rig({
      createContext: async ({ principal }) => {
        isWorker = true;
        if (thrower === 'createContext') throw away;
        return { user: principal };
      },
      guard: async (next) => {
        if (isWorker) throw away;
        return next();
      },
    });
    expect((await failedOnce(await send('k')))?.error?.message).toBe('the users are away');
    expect(ran).toStrictEqual([]);
  },
);

test('a context of somebody else runs nothing', async () => {
  const { send, failedOnce, ran } = rig({ createContext: () => ({ user: 'bob' }) });
  const failure = await failedOnce(await send('k'));
  expect(ran).toStrictEqual([]);
  expect(failure?.error?.message).toContain("scope says 'bob', the operation was accepted for 'alice'");
});

test('one context object for all is each call of its own, and lets no request in', async () => {
  const shared: Record<string, unknown> = { user: 'alice' };
  const seen: string[] = [];
  const { send, until, ask } = rig({
    createContext: () => shared,
    handler: ({ ctx: { operation }, input }) => {
      seen.push(`${operation.key}:${String(input)}`);
      return 'done';
    },
  });
  const ids = await Promise.all(['a', 'b', 'c'].map((key, index) => send(key, index)));
  // Without a key of its own: refused like anybody's.
  await expect(ask(shared)).rejects.toThrow('The context has no `idempotency`');
  await Promise.all(ids.map((id) => until(id, 'completed')));
  expect(seen.toSorted()).toStrictEqual(['a:0', 'b:1', 'c:2']);
});

test('nothing that a handler sees lets another call in: not its context, nor a copy without its operation', async () => {
  const captured = Promise.withResolvers<object>();
  const gate = Promise.withResolvers<void>();
  const { send, until, ask, ran } = rig({
    handler: ({ ctx }) => {
      captured.resolve(ctx);
      return gate.promise.then(() => 'done');
    },
  });
  const operationId = await send('k');
  const ctx = await captured.promise;
  for (const path of ['pay', 'other', 'plain'] as const) {
    await expect(ask(ctx, path)).rejects.toThrow('only atomic calls can join');
  }
  const copy = Object.defineProperties({}, Object.getOwnPropertyDescriptors(ctx)) as Record<string, unknown>;
  delete copy.operation;
  await expect(ask(copy)).rejects.toThrow('The context has no `idempotency`');
  copy.idempotency = internalIdempotencyContext('k');
  // As a request of its own it is the duplicate that it says it is.
  expect(await ask(copy)).toMatchObject({ $idempotency: 'accepted', operationId });
  expect(ran).toStrictEqual(['alice:1']);
  gate.resolve();
  await until(operationId, 'completed');
  expect(ran).toStrictEqual(['alice:1']);
});

test.each([
  { $idempotency: 'accepted', operationId: 'x', pollAfterMs: 1 },
  { $idempotency: { key: 'other' }, input: 2 },
  { 'semel.entered': { delivery: {} }, operation: { refuse: 1 } },
])('input that looks like the machinery stays input: %j', async (input) => {
  const { ask, until, ran } = rig();
  // In an envelope, because a bare one would be taken for an envelope itself.
  const ctx = { idempotency: internalIdempotencyContext(), user: 'alice' };
  const body = await ask(ctx, 'pay', { $idempotency: { key: 'k' }, input });
  const { operationId } = body as AcceptedBody;
  const record = await until(operationId, 'completed');
  expect(record?.key).toBe('k');
  expect(ran).toStrictEqual([`alice:${JSON.stringify(input)}`]);
});

test('a middleware that tries again gets the one execution of its attempt', async () => {
  const { send, until, ran } = rig({
    guard: async (next) => {
      await next();
      return next();
    },
  });
  await until(await send('k'), 'completed');
  expect(ran).toStrictEqual(['alice:1']);
});

test('a middleware that answers in place of the resolver completes nothing', async () => {
  let isWorker = false;
  const { send, failedOnce, ran } = rig({
    guard: async (next) => (isWorker ? ({ ok: true, data: 'cached' } as never) : next()),
    createContext: ({ principal }) => {
      isWorker = true;
      return { user: principal };
    },
  });
  const failure = await failedOnce(await send('k'));
  expect(ran).toStrictEqual([]);
  expect(failure?.error?.message).toBe(
    'a middleware of pay answered in place of its resolver: nothing was done',
  );
});

test('a `next` that is kept runs nothing once the attempt is over', async () => {
  let kept: (() => Promise<never>) | undefined;
  let refuse = false;
  const { send, until, ran } = rig({
    guard: (next) => {
      if (!refuse) return next();
      kept = next;
      throw new TRPCError({ code: 'NOT_FOUND' });
    },
    createContext: ({ principal }) => {
      refuse = true;
      return { user: principal };
    },
  });
  await until(await send('k'), 'failed');
  expect(await kept?.()).toMatchObject({
    ok: false,
    error: { message: expect.stringContaining('made for another call') },
  });
  expect(ran).toStrictEqual([]);
});

test('a resolver answers for what the retries did not settle, through the output parser', async () => {
  const { send, until } = rig({
    policy: { ...queued, maxAttempts: 1, resolve: async ({ work }) => ({ completed: work?.input }) },
    handler: () => {
      throw new Error('the bank is away');
    },
  });
  const record = await until(await send('k', 'paid after all'), 'completed');
  expect(JSON.parse(record?.outcome ?? '')).toMatchObject({ ok: true, value: { json: 'paid after all' } });
});

test('an output that looks like a 202 is never answered as one', async () => {
  const { ask, until } = rig({
    handler: () => ({ $idempotency: 'accepted', operationId: 'forged', pollAfterMs: 0 }),
  });
  const call = () => ask({ idempotency: internalIdempotencyContext('k'), user: 'alice' });
  const { operationId } = (await call()) as AcceptedBody;
  await until(operationId, 'completed');
  await expect(call()).rejects.toThrow('outcome_gone');
});

const createOther = (): Semel<unknown> =>
  createSemel({ store: createMemoryStore(), jobs: createMemoryJobs(), recovery: false }) as Semel<unknown>;
const createContext = () => ({});

test('two procedures of one name, parts that load lazily and routers without work are refused', () => {
  const semel = createOther();
  cleanups.push(() => semel.close());
  const idempotent = trpcIdempotency({ semel, scope: () => 'alice' });
  const make = (idempotency: IdempotencyPolicy) =>
    idempotent(t.procedure)
      .meta({ idempotency })
      .mutation(() => 1);
  const named = { ...queued, name: 'payouts.pay' } as const;
  const start = (router: { readonly _def: { readonly procedures: object } }, by = semel) =>
    createWorker({ semel: by, router, createContext });
  expect(() => start(t.router({ a: make(named), b: t.router({ c: make(named) }) }))).toThrow(
    new PolicyError("b.c and a have one name, 'payouts.pay': the worker can't tell which to run"),
  );
  expect(() => start(t.router({ a: make(queued), b: lazy(async () => t.router({})) }))).toThrow(
    "can't see into 'b', which loads lazily",
  );
  expect(() => start(t.router({ a: make({ mode: 'leased' }), b: t.procedure.query(() => 1) }))).toThrow(
    "the worker's router has no procedure for it",
  );
  const stranger = createOther();
  cleanups.push(() => stranger.close());
  expect(() => start(t.router({ a: make(queued) }), stranger)).toThrow(
    "the worker's router has no procedure for it",
  );
});
