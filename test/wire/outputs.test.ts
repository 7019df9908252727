import { createMemoryStore, createSemel, type IdempotencyPolicy, PolicyError } from '@semel/server';
import {
  DANGEROUSLY_SHARE_KEYS_BETWEEN_ALL_CALLERS,
  type IdempotencyMeta,
  trpcIdempotency,
} from '@semel/server/trpc';
import { initTRPC } from '@trpc/server';
import superjson from 'superjson';
import { describe, expect, test } from 'vitest';
import type { Context } from '../fixtures/trpc-server.ts';
import { createParts, serve } from './app.ts';
import { size } from './situations.ts';

const t = initTRPC
  .context<Context>()
  .meta<IdempotencyMeta>()
  .create({ transformer: superjson, isDev: false });

const STREAM = "An idempotent procedure can't return";
const UNSTORABLE: Record<string, { readonly give: () => unknown; readonly message: string }> = {
  'an async generator': {
    give: async function* () {
      yield 1;
    },
    message: `${STREAM} a stream (async iterable)`,
  },
  'a promise inside its output': {
    give: () => ({ later: Promise.resolve(1) }),
    message: `${STREAM} a promise inside its output`,
  },
  'a promise in a list': {
    give: () => [Promise.resolve(1)],
    message: `${STREAM} a promise inside its output`,
  },
  'a generator inside its output': {
    give: () => ({
      rows: (async function* () {
        yield 1;
      })(),
    }),
    message: `${STREAM} a stream (async iterable) inside its output`,
  },
  'a ReadableStream': { give: () => new ReadableStream(), message: STREAM },
  'a ReadableStream inside its output': { give: () => ({ body: new ReadableStream() }), message: STREAM },
  'a Blob': { give: () => new Blob(['x']), message: `${STREAM} a Blob` },
  'a function': { give: () => () => 1, message: `${STREAM} a function` },
  'an observable': {
    give: () => ({ subscribe: () => ({ unsubscribe() {} }) }),
    message: `${STREAM} an observable`,
  },
  'a top-level $idempotency': {
    give: () => ({ $idempotency: 'accepted' }),
    message: 'An output with a top-level member "$idempotency" is reserved by the wire contract; rename it.',
  },
};

describe.each(['atomic', 'leased'] as const)('%s: an output that cannot be kept', (mode) => {
  test.each(Object.keys(UNSTORABLE))('is refused in words, and nothing hangs: %s', async (name) => {
    const { give, message } = UNSTORABLE[name] as (typeof UNSTORABLE)[string];
    const parts = createParts();
    let runs = 0;
    let wellBehaved = false;
    const router = t.router({
      give: parts
        .idempotent(t.procedure)
        .meta({ idempotency: { mode } })
        .mutation(() => {
          runs++;
          return wellBehaved ? 'done' : give();
        }),
    });
    const client = (await serve(parts, router)).connect('single');
    const first = await client.call({ path: 'give', key: 'k' });
    expect(first.status).toBe(500);
    expect(first.shape.message).toContain(message);
    wellBehaved = true;
    const second = await client.call({ path: 'give', key: 'k' });
    if (mode === 'atomic') {
      expect(second.data).toBe('done');
      expect(runs).toBe(2);
    } else {
      expect(second.shape.data.idempotency).toMatchObject({ code: 'outcome_gone', state: 'completed' });
      expect(runs).toBe(1);
    }
    expect(await size(parts.store)).toBe(1);
  });
});

test('a promise deeper than tRPC itself looks for one is nothing, the first time as every time', async () => {
  const parts = createParts();
  const give = parts
    .idempotent(t.procedure)
    .meta({ idempotency: { mode: 'atomic' } })
    .mutation(() => ({ a: { b: Promise.resolve(1) } }));
  const client = (await serve(parts, t.router({ give }))).connect('single');
  expect((await client.call({ path: 'give', key: 'k' })).data).toEqual({ a: { b: {} } });
  expect((await client.call({ path: 'give', key: 'k' })).data).toEqual({ a: { b: {} } });
});

describe('a definition that cannot keep its promise is refused when it is made', () => {
  const { idempotent } = createParts();
  const define = (policy: unknown) => () =>
    idempotent(t.procedure)
      .meta({ idempotency: policy as IdempotencyPolicy })
      .mutation(() => 'x');

  const RANGES = {
    week: 'must be a whole number between 1000 and 315360000000',
    day: 'must be a whole number between',
  };
  test.each<[string, unknown, string]>([
    [
      'no policy',
      undefined,
      "an idempotent mutation needs a policy: .meta({ idempotency: { mode: 'atomic' } }), { mode: 'leased' } or { mode: 'queued' }",
    ],
    ['no mode', {}, "idempotency policy: mode must be 'atomic', 'leased' or 'queued', not undefined"],
    [
      'an unknown mode',
      { mode: 'magic' },
      "idempotency policy: mode must be 'atomic', 'leased' or 'queued', not magic",
    ],
    [
      'resume without steps',
      { mode: 'leased', onCrash: 'resume' },
      "idempotency policy: onCrash: 'resume' needs effects: 'steps': without child keys a second attempt could act twice",
    ],
    [
      'an unknown crash rule',
      { mode: 'leased', onCrash: 'pray' },
      'idempotency policy: onCrash must be one of suspend, resume, not pray',
    ],
    [
      'an unknown key rule',
      { mode: 'atomic', key: 'maybe' },
      'idempotency policy: key must be one of required, optional, derived, not maybe',
    ],
    [
      'an unknown mismatch rule',
      { mode: 'atomic', mismatch: 'ignore' },
      'idempotency policy: mismatch must be one of reject, replay, not ignore',
    ],
    [
      'another mismatch status',
      { mode: 'atomic', mismatchStatus: 400 },
      'idempotency policy: mismatchStatus must be one of 422, 409, not 400',
    ],
    [
      'a ttl under a second',
      { mode: 'atomic', ttlMs: 999 },
      `idempotency policy: ttlMs ${RANGES.week}, not 999`,
    ],
    [
      'a ttl that is no number',
      { mode: 'atomic', ttlMs: '1d' },
      `idempotency policy: ttlMs ${RANGES.week}, not 1d`,
    ],
    [
      'a ttl that is not whole',
      { mode: 'atomic', ttlMs: 1000.5 },
      `idempotency policy: ttlMs ${RANGES.week}, not 1000.5`,
    ],
    [
      'a lease of nothing',
      { mode: 'leased', leaseMs: 0 },
      'idempotency policy: leaseMs must be a whole number between 100 and 86400000, not 0',
    ],
    [
      'a run time of NaN',
      { mode: 'leased', maxRunMs: Number.NaN },
      'idempotency policy: maxRunMs must be a whole number between 50 and 86400000, not NaN',
    ],
    [
      'no attempts',
      { mode: 'leased', maxAttempts: 0 },
      'idempotency policy: maxAttempts must be a whole number between 1 and 10000, not 0',
    ],
    [
      'no window',
      { mode: 'leased', downstreamWindowMs: -1 },
      'idempotency policy: downstreamWindowMs must be a whole number between 1 and 315360000000, not -1',
    ],
    [
      'no room for an outcome',
      { mode: 'atomic', maxOutcomeBytes: 0 },
      'idempotency policy: maxOutcomeBytes must be a whole number between 64 and 67108864, not 0',
    ],
    [
      'waiting for ever',
      { mode: 'atomic', inFlight: { waitMs: Number.POSITIVE_INFINITY } },
      'idempotency policy: inFlight.waitMs must be between 0 and 60000, not Infinity',
    ],
    [
      'an unknown wait rule',
      { mode: 'atomic', inFlight: 'wait' },
      'idempotency policy: inFlight.waitMs must be between 0 and 60000, not undefined',
    ],
    [
      'an unknown isolation',
      { mode: 'atomic', isolation: 'snapshot' },
      'idempotency policy: isolation must be one of read committed, repeatable read, serializable, not snapshot',
    ],
    [
      'a name with a space',
      { mode: 'atomic', name: 'my procedure' },
      'idempotency policy: name must be 1 to 200 visible ASCII characters',
    ],
    [
      'an empty name',
      { mode: 'atomic', name: '' },
      'idempotency policy: name must be 1 to 200 visible ASCII characters',
    ],
    [
      'several mistakes at once',
      { mode: 'atomic', key: 'maybe', ttlMs: 0 },
      `idempotency policy: ttlMs ${RANGES.week}, not 0; key must be one of required, optional, derived, not maybe`,
    ],
  ])('%s', (_, policy, message) => {
    expect(define(policy)).toThrow(new PolicyError(message));
  });

  test('a query and a subscription on a wrapped builder', () => {
    expect(() => idempotent(t.procedure).query(() => 'x')).toThrow(
      new PolicyError('idempotency is for mutations: build this query from the plain procedure'),
    );
    expect(() => idempotent(t.procedure).subscription(async function* () {})).toThrow(
      new PolicyError('idempotency is for mutations: build this subscription from the plain procedure'),
    );
  });

  test('a wrapper without a scope', () => {
    const semel = createSemel({ store: createMemoryStore(), recovery: false });
    const message =
      'idempotency needs a scope: pass scope: (ctx) => ctx.user.id (from authentication), so that no two users share keys';
    expect(() => trpcIdempotency({ semel } as never)).toThrow(new PolicyError(message));
    expect(() => trpcIdempotency({ semel, scope: 'alice' } as never)).toThrow(new PolicyError(message));
  });

  test('atomic on a store without transactions; leased is fine', () => {
    const memory = createMemoryStore();
    const store = { ...memory, capabilities: { ...memory.capabilities, transactions: false } };
    const bare = trpcIdempotency({
      semel: createSemel({ store, recovery: false }),
      scope: (ctx: Context) => ctx.user,
    });
    expect(() =>
      bare(t.procedure)
        .meta({ idempotency: { mode: 'atomic' } })
        .mutation(() => 'x'),
    ).toThrow(new PolicyError("mode 'atomic' needs a store with transactions"));
    expect(() =>
      bare(t.procedure)
        .meta({ idempotency: { mode: 'leased' } })
        .mutation(() => 'x'),
    ).not.toThrow();
  });
});

describe('who asks', () => {
  test.each(['', undefined])('a call whose scope is %j is UNAUTHORIZED and leaves nothing', async (scope) => {
    const parts = createParts();
    const idempotent = trpcIdempotency({ semel: parts.semel, scope: () => scope });
    const router = t.router({
      pay: idempotent(t.procedure)
        .meta({ idempotency: { mode: 'atomic' } })
        .mutation(() => 'x'),
    });
    const client = (await serve(parts, router)).connect('single');
    expect((await client.call({ path: 'pay', key: 'k' })).status).toBe(401);
    expect(await size(parts.store)).toBe(0);
  });

  test('the opt-out with the frightening name shares keys between callers', async () => {
    const parts = createParts();
    const idempotent = trpcIdempotency({
      semel: parts.semel,
      scope: DANGEROUSLY_SHARE_KEYS_BETWEEN_ALL_CALLERS,
    });
    let runs = 0;
    const router = t.router({
      pay: idempotent(t.procedure)
        .meta({ idempotency: { mode: 'atomic' } })
        .mutation(() => ++runs),
    });
    const client = (await serve(parts, router)).connect('single');
    expect((await client.call({ path: 'pay', key: 'k' })).data).toBe(1);
    expect((await client.call({ path: 'pay', key: 'k', user: 'bob' })).data).toBe(1);
  });

  test('a policy narrows the scope, and no narrower scope looks like another principal', async () => {
    const parts = createParts();
    let runs = 0;
    const router = t.router({
      grade: parts
        .idempotent(t.procedure)
        .meta({
          idempotency: {
            mode: 'atomic',
            scope: (input) => (input as { student: string }).student,
            mismatch: 'replay',
          },
        })
        .mutation(({ ctx }) => ({ run: ++runs, scope: ctx.operation.scope })),
    });
    const client = (await serve(parts, router)).connect('single');
    const grade = (student: string, user = 'alice') =>
      client.call({ path: 'grade', input: { student }, key: 'k', user });
    expect((await grade('eve')).data).toEqual({ run: 1, scope: '5:alice/eve' });
    expect((await grade('dan')).data).toEqual({ run: 2, scope: '5:alice/dan' });
    expect((await grade('eve')).data).toEqual({ run: 1, scope: '5:alice/eve' });
    expect((await grade('x', '5:alice/eve')).data).toEqual({ run: 3, scope: '11:5:alice/eve/x' });
  });

  test('a key shorter than the server demands is malformed', async () => {
    const parts = createParts();
    const idempotent = trpcIdempotency({
      semel: parts.semel,
      scope: (ctx: Context) => ctx.user,
      minKeyLength: 16,
    });
    const router = t.router({
      pay: idempotent(t.procedure)
        .meta({ idempotency: { mode: 'atomic' } })
        .mutation(() => 'x'),
    });
    const client = (await serve(parts, router)).connect('single');
    const short = await client.call({ path: 'pay', key: 'x'.repeat(15) });
    expect(short.shape.data.idempotency.code).toBe('key_malformed');
    expect((await client.call({ path: 'pay', key: 'x'.repeat(16) })).data).toBe('x');
  });
});
