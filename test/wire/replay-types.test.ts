import type { IdempotencyMeta } from '@semel/server/trpc';
import { initTRPC } from '@trpc/server';
import superjson, { SuperJSON } from 'superjson';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { boundedFetch } from '../fixtures/bounded-fetch.ts';
import { CARRIERS } from '../fixtures/carriers.ts';
import type { Context } from '../fixtures/trpc-server.ts';
import { createParts, serve } from './app.ts';

const sparse: unknown[] = [1];
sparse[2] = 3;
/** What superjson itself can't carry arrives as something else, the first time as every time. */
const ARRIVES_AS: Record<string, unknown> = { 'invalid Date': null, 'a sparse array': [1, null, 3] };

const shared = { n: 1 };
const cycle: { self?: unknown; at: Date } = { at: new Date(1) };
cycle.self = cycle;
const deep = (levels: number): unknown => (levels === 0 ? new Date(5) : { down: deep(levels - 1) });

const VALUES: Record<string, unknown> = {
  Date: new Date(1234567890123),
  'invalid Date': new Date(Number.NaN),
  Map: new Map<unknown, unknown>([
    ['a', 1],
    [{ k: 1 }, new Set([2])],
  ]),
  Set: new Set(['a', 1, null]),
  bigint: 12345678901234567890n,
  undefined: undefined,
  null: null,
  'empty string': '',
  string: 'text "quoted" \\ \u2028 \u{1f4b6} \u0000',
  'lone surrogate': '\ud800',
  zero: 0,
  'negative zero': -0,
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  'largest number': Number.MAX_VALUE,
  false: false,
  true: true,
  RegExp: /a+/gi,
  URL: new URL('https://example.com/?q=1'),
  Error: Object.assign(new Error('as a value'), { name: 'Oops' }),
  bytes: new Uint8Array([0, 255, 7]),
  'empty array': [],
  'empty object': {},
  'a sparse array': sparse,
  'members that are undefined': { a: undefined, b: [undefined, null] },
  'types in depth': {
    list: [{ at: new Date(0), ids: new Set([1n]) }, new Map([['m', { none: undefined, zero: -0 }]])],
  },
  'a shared reference': { one: shared, two: shared },
  'a cycle': cycle,
  'a Date 40 levels down': deep(40),
  'a member named like a path': { 'a.b': new Date(3), a: { b: new Date(4) } },
  'a member named json': { json: 1, meta: { values: { json: ['Date'] } } },
  'a member named $idempotency below the top': { data: { $idempotency: 'mine' } },
  'a member with toJSON': { price: { amount: 1, toJSON: 5 } },
};
/** superjson refuses to carry this. */
const WITHOUT_TRANSFORMER_ONLY = {
  'a constructor of its own': { constructor: { name: 'x' }, hasOwnProperty: 1 },
};

async function start(
  modeOf: 'atomic' | 'leased',
  transformer: SuperJSON | undefined,
  handler: () => unknown,
) {
  const parts = createParts();
  const t = initTRPC
    .context<Context>()
    .meta<IdempotencyMeta>()
    .create(transformer === undefined ? {} : { transformer });
  const mutation = parts
    .idempotent(t.procedure)
    .meta({ idempotency: { mode: modeOf } })
    .mutation(() => handler());
  return serve(
    parts,
    t.router({ give: mutation, plain: t.procedure.input(z.unknown()).mutation(({ input }) => input) }),
  );
}

describe.each(['atomic', 'leased'] as const)('%s with superjson', (mode) => {
  // What is stored doesn't depend on the carrier: one mode goes over all of them.
  const carriers = mode === 'atomic' ? CARRIERS : (['single'] as const);
  test.each(carriers.flatMap((carrier) => Object.keys(VALUES).map((name) => ({ carrier, name }))))(
    'replays over $carrier: $name',
    async ({ carrier, name }) => {
      let runs = 0;
      const server = await start(mode, superjson as unknown as SuperJSON, () => {
        runs++;
        return VALUES[name];
      });
      const client = server.connect(carrier);
      const first = await client.call({ path: 'give', key: 'k' });
      const second = await client.call({ path: 'give', key: 'k' });
      expect(runs).toBe(1);
      expect('shape' in first).toBe(false);
      expect(second.data).toStrictEqual(first.data);
      // tRPC's stream takes a cycle apart in its own way, the first time as every time.
      if (carrier === 'batch-stream' && name === 'a cycle') return;
      expect(second.data).toEqual(name in ARRIVES_AS ? ARRIVES_AS[name] : VALUES[name]);
      expect(Object.is(second.data, -0)).toBe(Object.is(VALUES[name], -0));
    },
  );
});

test('a void mutation answers and replays undefined', async () => {
  let runs = 0;
  const server = await start('atomic', superjson as unknown as SuperJSON, () => void runs++);
  const client = server.connect('single');
  expect(await client.call({ path: 'give', key: 'k' })).toMatchObject({ data: undefined, status: 200 });
  const again = await client.call({ path: 'give', key: 'k' });
  expect(again).toMatchObject({ data: undefined, status: 200 });
  expect(again.headers?.get('idempotency-replayed')).toBe('true');
  expect(runs).toBe(1);
});

/** The bytes of a single answer, whatever a client would make of them. */
async function raw(url: string): Promise<string> {
  const headers = {
    'content-type': 'application/json',
    authorization: 'Bearer alice',
    'idempotency-key': 'k',
  };
  const response = await boundedFetch(`${url}/give`, { method: 'POST', headers, body: '{}' });
  return response.text();
}

/** A class that no transformer knows yet. */
function newType() {
  return class Money {
    readonly cents: number;
    constructor(cents: number) {
      this.cents = cents;
    }
  };
}

describe.each(['atomic', 'leased'] as const)(
  '%s, a type that the application taught its transformer',
  (mode) => {
    test.each([
      { where: 'superjson itself', transformer: superjson as unknown as SuperJSON },
      { where: 'an instance of its own', transformer: new SuperJSON() },
    ])('is replayed: $where', async ({ transformer, where }) => {
      const Money = newType();
      transformer.registerCustom<InstanceType<typeof Money>, string>(
        {
          isApplicable: (value): value is InstanceType<typeof Money> => value instanceof Money,
          serialize: ({ cents }) => `${cents}`,
          deserialize: (text) => new Money(Number(text)),
        },
        `Money ${mode} ${where}`,
      );
      const server = await start(mode, transformer, () => ({ price: new Money(1250), at: new Date(0) }));
      const client = server.connect('single', transformer as unknown as typeof superjson);
      const first = await client.call({ path: 'give', key: 'k' });
      const second = await client.call({ path: 'give', key: 'k' });
      expect(first.data).toEqual({ price: new Money(1250), at: new Date(0) });
      expect((first.data as { price: unknown }).price).toBeInstanceOf(Money);
      expect((second.data as { price: unknown }).price).toBeInstanceOf(Money);
      expect(second.data).toEqual(first.data);
    });
  },
);

describe.each(['atomic', 'leased'] as const)('%s without a transformer', (mode) => {
  const values: Record<string, unknown> = { ...VALUES, ...WITHOUT_TRANSFORMER_ONLY };
  const jsonSafe = Object.keys(values).filter(
    (name) => !['bigint', 'types in depth', 'a cycle'].includes(name),
  );

  test.each(jsonSafe)('the replay is the same JSON: %s', async (name) => {
    let runs = 0;
    const server = await start(mode, undefined, () => {
      runs++;
      return values[name];
    });
    const first = await raw(server.url);
    expect(await raw(server.url)).toBe(first);
    expect(first).not.toContain('"error"');
    expect(runs).toBe(1);
  });

  test.each(CARRIERS)('over %s a key comes through with plain JSON', async (carrier) => {
    let runs = 0;
    const server = await start(mode, undefined, () => ({ run: ++runs }));
    const client = server.connect(carrier, null);
    expect((await client.call({ path: 'give', input: { a: 1 }, key: 'k' })).data).toEqual({ run: 1 });
    expect((await client.call({ path: 'give', input: { a: 1 }, key: 'k' })).data).toEqual({ run: 1 });
    expect((await client.call({ path: 'give', input: { a: 2 }, key: 'k' })).shape.data.idempotency.code).toBe(
      'key_reused',
    );
  });

  test('an answer that JSON cannot carry fails on its way out, the first time as every time, and runs once', async () => {
    let runs = 0;
    const server = await start(mode, undefined, () => {
      runs++;
      return 1n;
    });
    const first = await raw(server.url);
    expect(first).toContain('INTERNAL_SERVER_ERROR');
    expect(await raw(server.url)).toBe(first);
    expect(runs).toBe(1);
  });
});

test('simultaneous duplicates get copies or the same value, with its types', async () => {
  let runs = 0;
  const server = await start('leased', superjson as unknown as SuperJSON, async () => {
    runs++;
    await new Promise((resolve) => setImmediate(resolve));
    return { at: new Date(0), tags: new Set(['a']) };
  });
  const client = server.connect('batch');
  const answers = await client.together(Array.from({ length: 5 }, () => ({ path: 'give', key: 'k' })));
  for (const { data } of answers) expect(data).toEqual({ at: new Date(0), tags: new Set(['a']) });
  expect(runs).toBe(1);
});
