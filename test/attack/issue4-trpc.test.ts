import {
  createMemoryJobs,
  createMemoryStore,
  createSemel,
  type IdempotencyPolicy,
  type SemelEvent,
} from '@semel/server';
import {
  createWorker,
  type IdempotencyContext,
  type IdempotencyMeta,
  internalIdempotencyContext,
  trpcIdempotency,
} from '@semel/server/trpc';
import { initTRPC } from '@trpc/server';
import superjson from 'superjson';
import { expect, test } from 'vitest';
import { call } from './attack.ts';

interface Context {
  readonly idempotency: IdempotencyContext;
  readonly user: string;
}

/** A queued procedure that says as whom it runs. */
function shop(options: {
  readonly store?: ReturnType<typeof createMemoryStore>;
  readonly policy?: Partial<IdempotencyPolicy>;
  readonly handle?: (input: unknown) => unknown;
  readonly maxWatchers?: number;
}) {
  const { store = createMemoryStore(), policy, handle, maxWatchers = 1 } = options;
  const events: SemelEvent[] = [];
  const semel = createSemel({
    store,
    jobs: createMemoryJobs({ againMs: 1 }),
    recovery: false,
    onEvent: (event) => events.push(event),
  });
  const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create({ transformer: superjson });
  const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user });
  const ran: string[] = [];
  const router = t.router({
    pay: idempotent(t.procedure)
      .meta({
        idempotency: {
          mode: 'queued',
          backoff: { minMs: 1, maxMs: 1 },
          maxAttempts: 2,
          ...policy,
        } as IdempotencyPolicy,
      })
      .input((input: unknown) => input)
      .mutation(async ({ ctx, input }) => {
        ran.push(ctx.user);
        return (await handle?.(input)) ?? ctx.user;
      }),
    updates: idempotent.statusUpdates(t.procedure, { maxWatchers, everyMs: 5 }),
  });
  const callerOf = (user: string, key?: string) =>
    t.createCallerFactory(router)({ user, idempotency: internalIdempotencyContext(key) });
  return {
    semel,
    store,
    events,
    ran,
    callerOf,
    accept: async (user: string, input: unknown) => {
      const answer = (await callerOf(user, `key-${user}`).pay(input)) as unknown;
      return (answer as { operationId: string }).operationId;
    },
    work: () =>
      createWorker({
        semel,
        router,
        createContext: ({ principal }): Context => ({
          user: principal,
          idempotency: internalIdempotencyContext(),
        }),
      }),
    stateOf: async (id: string) => (await store.find(id))?.record.state,
  };
}

test('work whose principal was changed in the table runs for nobody', async () => {
  const store = createMemoryStore();
  const { semel, accept, work, ran, stateOf } = shop({
    store: {
      ...store,
      queue: {
        ...store.queue,
        start: async (request) => {
          const started = await store.queue.start(request);
          return started.kind === 'started'
            ? { ...started, work: { ...started.work, principal: 'victim' } }
            : started;
        },
      },
    },
  });
  const id = await accept('mallory', 1);
  work();
  await expect.poll(() => stateOf(id), { timeout: 20_000 }).toBe('dead');
  expect(ran).toEqual([]);
  await semel.close();
});

test('a principal runs its own, narrowed or not, whatever it is called', async () => {
  for (const [user, scope] of [
    ['alice', undefined],
    ['alice', () => 'student-1'],
    ['3:bob/x', undefined],
  ] as const) {
    const { semel, accept, work, ran, stateOf } = shop({ policy: scope === undefined ? {} : { scope } });
    const id = await accept(user, 1);
    work();
    await expect.poll(() => stateOf(id), { timeout: 20_000 }).toBe('completed');
    expect(ran).toEqual([user]);
    await semel.close();
  }
});

test.for([
  ['a form', () => new FormData()],
  ['a stream', () => new ReadableStream()],
  ['a file', () => new File(['x'], 'x.txt')],
  ['a function', () => () => 1],
  ['a promise', () => ({ later: Promise.resolve(1) })],
  [
    'a class of its own',
    () =>
      new (class Money {
        readonly amount = 1;
        add() {
          return this;
        }
      })(),
  ],
] as const)(
  'an input that a worker could not be given (%s) is refused, and not accepted',
  async ([, make]) => {
    const { semel, accept, events } = shop({});
    await expect(accept('alice', make())).rejects.toThrow();
    expect(events.map(({ type }) => type)).not.toContain('enqueued');
    await semel.close();
  },
);

test('an input that is not fingerprinted as a whole has to be one that a worker can be given all the same', async () => {
  for (const input of [new FormData(), new ReadableStream(), new File(['x'], 'x.txt')]) {
    const { semel, accept, events } = shop({ policy: { fingerprint: () => 'picked' } });
    await expect(accept('alice', input)).rejects.toThrow(/can't (take|return) a /);
    expect(events.map(({ type }) => type)).not.toContain('enqueued');
    await semel.close();
  }
});

test('progress that is no JSON is a mistake of the handler, said as such', async () => {
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  for (const value of [1n, circle, () => 1, undefined, Symbol('x')]) {
    const { engine } = createSemel({ store: createMemoryStore(), recovery: false });
    const ran = engine.run(call({ mode: 'leased' }), async ({ progress }) => progress(value));
    await expect(ran).rejects.toThrow('operation.progress takes plain JSON');
  }
});

test('every kind of value reaches the worker as it was sent', async () => {
  const input = {
    at: new Date(0),
    big: 2n ** 70n,
    map: new Map([['k', new Set([1, undefined, null])]]),
    minusZero: -0,
    nan: Number.NaN,
    none: undefined,
    text: '\0\ud800',
    inner: { $idempotency: 'mine' },
    nested: JSON.parse(`${'['.repeat(50)}1${']'.repeat(50)}`),
  };
  const got: unknown[] = [];
  const { semel, accept, work, stateOf } = shop({ handle: (given) => void got.push(given) });
  const id = await accept('alice', input);
  work();
  await expect.poll(() => stateOf(id), { timeout: 20_000 }).toBe('completed');
  expect(got).toStrictEqual([input]);
  await semel.close();
});

test('a subscriber that goes, at any moment, leaves its place to the next', async () => {
  const { semel, accept, callerOf } = shop({});
  const operationId = await accept('alice', 1);
  for (let round = 0; round < 5; round++) {
    const updates = (await callerOf('alice').updates({ operationId })) as AsyncIterable<unknown>;
    const iterator = updates[Symbol.asyncIterator]();
    if (round % 2 === 0) await iterator.next();
    else void iterator.next();
    await iterator.return?.();
  }
  await semel.close();
});
