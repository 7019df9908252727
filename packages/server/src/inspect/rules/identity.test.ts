import { expect, test } from 'vitest';
import { z } from 'zod';
import { trpcIdempotency } from '../../adapters/trpc/trpc-idempotency.ts';
import type { IdempotencyPolicy } from '../../admission/policy.ts';
import { createSemel } from '../../semel.ts';
import { createMemoryStore } from '../../store/memory.ts';
import { ATOMIC, type Context, codes, findings, idempotent, procedure, t } from '../inspect.fixture.ts';

const done = () => undefined;
const named = (name: string) => procedure({ ...ATOMIC, name }, done);

test('two procedures with one name are an error on both', async () => {
  const router = t.router({ a: named('pay'), b: named('pay'), c: named('other') });
  expect((await findings(router)).map(({ code, procedure, what }) => [code, procedure, what])).toEqual([
    ['name_shared', 'a', "has the name 'pay', as b has"],
    ['name_shared', 'b', "has the name 'pay', as a has"],
  ]);
});

test("a name that is another procedure's path is an error on both", async () => {
  expect(await codes(t.router({ pay: procedure(ATOMIC, done), alias: named('pay') }))).toEqual([
    'name_shared',
    'name_shared',
  ]);
});

test('one procedure under two paths is one procedure', async () => {
  const pay = named('pay');
  expect(await codes(t.router({ v1: t.router({ pay }), v2: t.router({ pay }) }))).toEqual([]);
});

test('the same name on another store is another operation', async () => {
  const other = trpcIdempotency({
    semel: createSemel({ store: createMemoryStore(), recovery: false }),
    scope: (ctx: Context) => ctx.user.id,
  });
  const elsewhere = other(t.procedure)
    .meta({ idempotency: { ...ATOMIC, name: 'pay' } })
    .mutation(done);
  expect(await codes(t.router({ a: named('pay'), b: elsewhere }))).toEqual([]);
});

const lenient = (input: z.ZodType, policy: Partial<IdempotencyPolicy> = { mismatch: 'replay' }) =>
  t.router({
    it: idempotent(t.procedure)
      .meta({ idempotency: { ...ATOMIC, ...policy } })
      .input(input)
      .mutation(done),
  });

test.each([
  ['amount', z.object({ amount: z.int(), currency: z.string() }), 'amount, currency'],
  ['a price inside of lines', z.object({ lines: z.array(z.object({ unitPrice: z.number() })) }), 'unitPrice'],
  ['optional, refined', z.object({ totalCents: z.int().optional() }).refine(() => true), 'totalCents'],
  ['piped', z.object({ fee_cents: z.int() }).transform((value) => value), 'fee_cents'],
])('a lenient policy on input about money is found: %s', async (_, input, names) => {
  expect(await findings(lenient(input))).toMatchObject([
    {
      code: 'lenient_money',
      severity: 'warning',
      what: `looks like its input is about money (${names}), and another input gets the stored answer (mismatch: 'replay')`,
    },
  ]);
});

test.each([
  ['no money', z.object({ studentId: z.string(), courseId: z.string() })],
  [
    'words that only begin alike',
    z.object({ amountOfGuests: z.int(), pricing: z.string(), feeling: z.string() }),
  ],
  [
    'words that only end alike',
    z
      .object({ coffee: z.int(), percents: z.int(), restprice: z.boolean().optional() })
      .pick({ coffee: true, percents: true }),
  ],
])('a lenient policy on other input is not reported: %s', async (_, input) => {
  expect(await codes(lenient(input))).toEqual([]);
});

test('money under the strict policy is not reported', async () => {
  expect(await codes(lenient(z.object({ amount: z.int() }), {}))).toEqual([]);
});

test.each([
  [
    'fingerprint with a clock',
    { fingerprint: (input: unknown) => ({ input, at: Date.now() }) },
    ['volatile_identity'],
  ],
  [
    'scope with a random part',
    { scope: (input: unknown) => `${String(input)}-${Math.random()}` },
    ['volatile_identity'],
  ],
  ['a date of the input', { fingerprint: (input: unknown) => new Date(input as string).toISOString() }, []],
  ['a member called now', { scope: (input: unknown) => (input as { now: string }).now }, []],
] as const)('identity: %s', async (_, policy, expected) => {
  expect(await codes(t.router({ it: procedure({ ...ATOMIC, ...policy }, done) }))).toEqual(expected);
});
