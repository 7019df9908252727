import { TRPCError } from '@trpc/server';
import { expect, test } from 'vitest';
import { ATOMIC, findings, found, LEASED, procedure, t } from '../inspect.fixture.ts';

// biome-ignore lint/suspicious/noExplicitAny: handlers are looked at and never run
type Any = any;
const codeOf = (error: unknown) => (error as { code?: string } | null)?.code;
const finalErrors = async (is: (error: unknown) => boolean) =>
  (await found({ ...ATOMIC, finalErrors: is }, () => undefined)).map((one) =>
    one.replace('final_transient: ', ''),
  );

test.each([
  [
    'everything',
    () => true,
    'says that UNAUTHORIZED, TIMEOUT, TOO_MANY_REQUESTS and 11 more is final (finalErrors)',
  ],
  [
    'every TRPCError',
    (e: unknown) => e instanceof TRPCError,
    'says that UNAUTHORIZED, TIMEOUT, TOO_MANY_REQUESTS and 4 more is final (finalErrors)',
  ],
  [
    'one that passes',
    (e: unknown) => codeOf(e) === 'SERVICE_UNAVAILABLE',
    'says that SERVICE_UNAVAILABLE is final (finalErrors)',
  ],
  [
    'a deadlock',
    (e: unknown) => codeOf(e) === '40P01',
    'says that a deadlock (40P01) is final (finalErrors)',
  ],
])('finalErrors that names what passes by itself is found: %s', async (_, is, expected) => {
  expect(await finalErrors(is)).toEqual([expected]);
});

test.each([
  ['its own code', (e: unknown) => codeOf(e) === 'CARD_DECLINED'],
  ['final statuses', (e: unknown) => e instanceof TRPCError && ['CONFLICT', 'NOT_FOUND'].includes(e.code)],
  ['a constraint', (e: unknown) => codeOf(e) === '23505'],
  ['one that throws about others', (e: unknown) => (e as { mine: { final: boolean } }).mine.final],
])('finalErrors is not reported for %s', async (_, is) => {
  expect(await finalErrors(is)).toEqual([]);
});

const guard = (code: string) =>
  `guard_in_handler: looks like a guard in the handler: it throws ${code} before anything is looked up`;

test.each([
  [
    'a role',
    async ({ ctx }: Any) => {
      if (!ctx.user.admin) throw new TRPCError({ code: 'FORBIDDEN' });
    },
    'FORBIDDEN',
  ],
  [
    'a user, by name',
    async ({ ctx: { user } }: Any) => {
      if (user === undefined) {
        throw new TRPCError({ code: 'UNAUTHORIZED', message: 'Who are you?' });
      }
    },
    'UNAUTHORIZED',
  ],
  [
    'a user against the input',
    async ({ ctx, input }: Any) => {
      const { userId } = input;
      if (ctx.user.id !== userId) throw new TRPCError({ code: 'FORBIDDEN' });
    },
    'FORBIDDEN',
  ],
])('a guard in the handler is found: %s', async (_, handler, code) => {
  expect(await found(ATOMIC, handler)).toEqual([guard(code)]);
});

test.each([
  [
    'about what was read',
    async ({ ctx }: Any) => {
      const [row] = await ctx.operation.tx.query('SELECT owner FROM orders');
      if (row.owner !== ctx.user.id) throw new TRPCError({ code: 'FORBIDDEN' });
    },
  ],
  [
    'about the input alone',
    async ({ input }: Any) => {
      if (input.sku === 'unicorn') throw new TRPCError({ code: 'NOT_FOUND' });
    },
  ],
  [
    'about a question',
    async ({ ctx, input }: Any) => {
      if (!(await ctx.rights.may(ctx.user, input))) throw new TRPCError({ code: 'FORBIDDEN' });
    },
  ],
  [
    'declared as final',
    async ({ ctx }: Any) => {
      if (!ctx.user.admin) throw ctx.operation.refuse(new TRPCError({ code: 'FORBIDDEN' }));
    },
  ],
])('a refusal of the handler is not reported: %s', async (_, handler) => {
  expect(await found(ATOMIC, handler)).toEqual([]);
});

test("a refusal inside of a step is the other side's", async () => {
  const handler = async ({ ctx: { operation, user } }: Any) =>
    operation.step('ask', async (key: string) => {
      if (user.admin) throw new TRPCError({ code: 'FORBIDDEN' });
      return key;
    });
  expect(await found(LEASED, handler)).toEqual([]);
});

test('a guard in a middleware is where it belongs', async () => {
  const it = procedure(ATOMIC, () => undefined);
  expect(await findings(t.router({ it }))).toEqual([]);
});
