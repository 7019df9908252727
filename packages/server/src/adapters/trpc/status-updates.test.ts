import type { AcceptedBody, OperationStatus } from '@semel/contract/v1/pure';
import { initTRPC, TRPCError, type TrackedEnvelope } from '@trpc/server';
import { afterEach, expect, test, vi } from 'vitest';
import type { Operation } from '../../engine/operation.ts';
import { sleep } from '../../engine/wait.ts';
import { createMemoryJobs } from '../../jobs/memory-jobs.ts';
import { createSemel } from '../../semel.ts';
import { createMemoryStore } from '../../store/memory.ts';
import { type Store, StoreUnavailable } from '../../store/port.ts';
import { type IdempotencyContext, internalIdempotencyContext } from './idempotency-context.ts';
import { type IdempotencyMeta, trpcIdempotency } from './trpc-idempotency.ts';
import { createWorker } from './worker.ts';

interface Context {
  readonly idempotency?: IdempotencyContext;
  readonly user?: string;
}
type Updates = AsyncIterator<TrackedEnvelope<OperationStatus>>;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function rig(
  options: { readonly work?: (operation: Operation) => Promise<unknown>; readonly maxWatchers?: number } = {},
) {
  const { maxWatchers = 2, work = async () => 'done' } = options;
  const memory = createMemoryStore();
  let away = false;
  let refusals = 0;
  let forgetful = false;
  let unread = 0;
  let reads = Number.NaN;
  const recorded = Promise.withResolvers<void>();
  let meanwhile = async (): Promise<void> => {};
  const store: Store<never> = {
    ...(memory as unknown as Store<never>),
    async find(id) {
      if (!away) {
        const found = await memory.find(id);
        reads = found?.record.state === 'processing' ? 0 : Number.NaN;
        return found;
      }
      refusals++;
      throw new StoreUnavailable();
    },
    queue: {
      ...(memory.queue as unknown as Store<never>['queue']),
      async recordProgress(...given) {
        const result = await memory.queue.recordProgress(...given);
        recorded.resolve();
        return result;
      },
      async progress(id) {
        if (++reads === 2) await meanwhile();
        return memory.queue.progress(id);
      },
    },
    async history(id) {
      if (!forgetful) return memory.history(id);
      unread++;
      throw new StoreUnavailable();
    },
  };
  const semel = createSemel({ store, jobs: createMemoryJobs({ againMs: 1 }) as never, recovery: false });
  const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create();
  const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user });
  const router = t.router({
    pay: idempotent(t.procedure)
      .meta({ idempotency: { mode: 'queued', effects: 'steps' } })
      .mutation(async ({ ctx }) => (await work(ctx.operation)) as string),
    updates: idempotent.statusUpdates(t.procedure, { everyMs: 5, maxWatchers }),
  });
  const callerOf = t.createCallerFactory(router);
  cleanups.push(() => semel.close());
  return {
    send: async (key = 'k'): Promise<string> => {
      const ctx = { idempotency: internalIdempotencyContext(key), user: 'alice' };
      return ((await callerOf(ctx).pay()) as unknown as AcceptedBody).operationId;
    },
    async watch(input: object, user: string | undefined = 'alice', signal?: AbortSignal): Promise<Updates> {
      const ctx = user === undefined ? {} : { user };
      const iterable = await callerOf(ctx, signal && { signal }).updates(input as never);
      return (iterable as unknown as AsyncIterable<TrackedEnvelope<OperationStatus>>)[Symbol.asyncIterator]();
    },
    startWorker() {
      const createContext = ({ principal }: { readonly principal: string }) => ({ user: principal });
      const worker = createWorker({ semel, router, createContext });
      cleanups.push(() => worker.close(1_000));
    },
    outage(now: boolean) {
      away = now;
    },
    refusals: () => refusals,
    historyIsAway(now: boolean) {
      forgetful = now;
    },
    unread: () => unread,
    /** The first progress is stored. */
    recorded: recorded.promise,
    /** Once, before the second time that a look reads the progress of what is being worked on. */
    inTheMiddle(work: () => Promise<void>) {
      meanwhile = () => {
        meanwhile = async () => {};
        return work();
      };
    },
  };
}

async function told(
  updates: Updates,
): Promise<{ readonly id: string; readonly status: OperationStatus } | 'end'> {
  const { done, value } = await updates.next();
  return done ? 'end' : { id: value[0], status: value[1] };
}
const stateOf = async (updates: Updates): Promise<string> => {
  const next = await told(updates);
  return next === 'end' ? 'end' : next.status.state;
};

test('tells of every change and of progress, and ends when it is settled', async () => {
  const gate = Promise.withResolvers<void>();
  const { send, watch, startWorker } = rig({
    async work(operation) {
      operation.progress({ done: 1 });
      await gate.promise;
      return 'paid';
    },
  });
  const updates = await watch({ operationId: await send() });
  expect(await told(updates)).toMatchObject({
    status: { state: 'accepted', retryAfterMs: expect.any(Number) },
  });
  startWorker();
  let next = await told(updates);
  // The start and the first progress may be one look.
  while (next !== 'end' && !('progress' in next.status)) {
    expect(next.status.state).toBe('processing');
    next = await told(updates);
  }
  expect(next).toMatchObject({ status: { state: 'processing', progress: { done: 1 } } });
  gate.resolve();
  expect(await told(updates)).toMatchObject({
    status: { state: 'completed', outcome: { ok: true, value: { json: 'paid' } } },
  });
  expect(await told(updates)).toBe('end');
});

test('who comes back hears the end that it missed, and nothing twice', async () => {
  const { send, watch, startWorker } = rig();
  const operationId = await send();
  const before = await watch({ operationId });
  const first = await told(before);
  if (first === 'end') throw new Error('unreachable');
  await before.return?.();
  startWorker();
  const after = await watch({ operationId, lastEventId: first.id });
  let last = await told(after);
  while (last !== 'end' && last.status.state !== 'completed') last = await told(after);
  if (last === 'end') throw new Error('the end was not told');
  expect(last.id).not.toBe(first.id);
  expect(await told(after)).toBe('end');
  expect(await told(await watch({ operationId, lastEventId: last.id }))).toBe('end');
  // An id that was never given is as good as none.
  expect(await told(await watch({ operationId, lastEventId: 'made-up' }))).toMatchObject({ id: last.id });
});

test("shows another's operation as none, and needs somebody to ask", async () => {
  const { send, watch } = rig();
  const operationId = await send();
  const theirs = await watch({ operationId }, 'bob');
  expect(await told(theirs)).toStrictEqual({ id: 'none', status: { state: 'not_found', operationId } });
  expect(await told(theirs)).toBe('end');
  await expect(watch({ operationId }, '')).rejects.toThrow(TRPCError);
  await expect(watch({})).rejects.toThrow('Give { operationId } or { procedure, key }');
});

test('waits for a key whose request is still on its way', async () => {
  const { send, watch, startWorker } = rig();
  const updates = await watch({ procedure: 'pay', key: 'soon' });
  expect(await told(updates)).toStrictEqual({ id: 'none', status: { state: 'not_found', procedure: 'pay' } });
  await send('soon');
  expect(await stateOf(updates)).toBe('accepted');
  startWorker();
  let state = await stateOf(updates);
  while (state === 'processing') state = await stateOf(updates);
  expect([state, await stateOf(updates)]).toStrictEqual(['completed', 'end']);
});

test('has room for so many, and for another when one has gone', async () => {
  const { send, watch } = rig({ maxWatchers: 2 });
  const operationId = await send();
  const gone = new AbortController();
  const open = [await watch({ operationId }), await watch({ operationId }, 'alice', gone.signal)];
  for (const updates of open) expect(await stateOf(updates)).toBe('accepted');
  await expect(watch({ operationId })).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
  const pending = open[1]?.next();
  gone.abort();
  expect(await pending).toMatchObject({ done: true });
  const another = await watch({ operationId });
  expect(await stateOf(another)).toBe('accepted');
  await open[0]?.return?.();
  await another.return?.();
});

test('an outage between two looks ends nothing', async () => {
  const { send, watch, startWorker, outage, refusals } = rig();
  const updates = await watch({ operationId: await send() });
  expect(await stateOf(updates)).toBe('accepted');
  outage(true);
  const next = stateOf(updates);
  await expect.poll(refusals, { interval: 2 }).toBeGreaterThan(1);
  outage(false);
  startWorker();
  let state = await next;
  while (state === 'processing') state = await stateOf(updates);
  expect(state).toBe('completed');
  outage(true);
  await expect(watch({ operationId: 'x' })).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
});

test('an outage between the look and the rest of the answer ends no subscription, and no change is lost', async () => {
  const { send, watch, startWorker, historyIsAway, unread } = rig();
  const updates = await watch({ operationId: await send() });
  expect(await stateOf(updates)).toBe('accepted');
  historyIsAway(true);
  startWorker();
  const next = stateOf(updates);
  await vi.waitFor(() => expect(unread()).toBeGreaterThan(0));
  historyIsAway(false);
  expect(['processing', 'completed']).toContain(await next);
});

test('progress that comes in the middle of a look is told once', async () => {
  const go = Promise.withResolvers<void>();
  const work = async (operation: Operation): Promise<string> => {
    await go.promise;
    operation.progress({ done: 1 });
    await end.promise;
    return 'done';
  };
  const end = Promise.withResolvers<void>();
  const { send, watch, startWorker, inTheMiddle, recorded } = rig({ work });
  const updates = await watch({ operationId: await send() });
  expect(await stateOf(updates)).toBe('accepted');
  inTheMiddle(async () => {
    go.resolve();
    await recorded;
  });
  startWorker();
  const told: unknown[] = [];
  for (let seen = await updates.next(); !seen.done; seen = await updates.next()) {
    told.push(seen.value[1]);
    if (JSON.stringify(seen.value[1]).includes('"progress":{"done":1}')) void sleep(50).then(end.resolve);
  }
  const texts = told.map((status) => JSON.stringify(status));
  expect(texts).toStrictEqual([...new Set(texts)]);
});

test.each([0, -1, 0.5, Number.NaN, 3_600_001])(
  'updates every %d ms are refused when they are defined',
  (everyMs) => {
    const semel = createSemel({ store: createMemoryStore(), recovery: false });
    const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create();
    const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user });
    expect(() => idempotent.statusUpdates(t.procedure, { everyMs })).toThrow(
      `statusUpdates: everyMs is a whole number between 1 and 3600000, not ${everyMs}`,
    );
  },
);
