import { expect, test } from 'vitest';
import { trpcIdempotency } from '../../adapters/trpc/trpc-idempotency.ts';
import { DANGEROUSLY_SHARE_KEYS_BETWEEN_ALL_CALLERS } from '../../admission/scope.ts';
import {
  ATOMIC,
  type Context,
  codes,
  context,
  findings,
  idempotent,
  LEASED,
  procedure,
  semel,
  t,
} from '../inspect.fixture.ts';

const done = () => undefined;

test('a mutation without a policy is an error, a query is not', async () => {
  const router = t.router({
    save: t.procedure.mutation(done),
    load: t.procedure.query(done),
    watch: t.procedure.subscription(async function* () {}),
  });
  expect(await findings(router)).toMatchObject([
    {
      code: 'no_policy',
      severity: 'error',
      procedure: 'save',
      what: 'is a mutation without an idempotency policy',
      docs: 'docs/guides/inspect.md#no_policy',
    },
  ]);
});

test('a protected mutation that chooses everything has no findings', async () => {
  expect(await findings(t.router({ save: procedure(ATOMIC, done) }))).toEqual([]);
});

test('a policy on a builder that is not wrapped is not in force, and says if it would be refused', async () => {
  const router = t.router({
    plain: t.procedure.meta({ idempotency: ATOMIC }).mutation(done),
    resumes: t.procedure.meta({ idempotency: { mode: 'leased', onCrash: 'resume' } }).mutation(done),
    concatenated: t.procedure.concat(idempotent(t.procedure).meta({ idempotency: ATOMIC })).mutation(done),
  });
  expect((await findings(router)).map(({ code, procedure, what }) => [code, procedure, what])).toEqual([
    ['policy_not_in_force', 'concatenated', "has a policy, and its builder isn't wrapped"],
    ['policy_not_in_force', 'plain', "has a policy, and its builder isn't wrapped"],
    [
      'policy_not_in_force',
      'resumes',
      "has a policy, and its builder isn't wrapped (it would be refused: idempotency policy: onCrash: 'resume' needs effects: 'steps': without child keys a second attempt could act twice)",
    ],
  ]);
});

test('a builder that was wrapped and then extended is wrapped once', async () => {
  const guarded = idempotent(t.procedure).use(({ next }) => next());
  expect(await codes(t.router({ it: guarded.meta({ idempotency: ATOMIC }).mutation(done) }))).toEqual([]);
});

test('a builder that is wrapped twice is an error', async () => {
  const twice = idempotent(idempotent(t.procedure)).meta({ idempotency: ATOMIC }).mutation(done);
  expect(await findings(t.router({ it: twice }))).toMatchObject([
    { code: 'wrapped_twice', severity: 'error', what: 'is wrapped 2 times' },
  ]);
});

test.each([
  ['optional', ['key_optional']],
  ['derived', []],
  ['required', []],
] as const)('key: %s', async (key, expected) => {
  expect(await codes(t.router({ it: procedure({ ...LEASED, key }, done) }))).toEqual(expected);
});

test('the opt-out of scopes is an error', async () => {
  const shared = trpcIdempotency({ semel, scope: DANGEROUSLY_SHARE_KEYS_BETWEEN_ALL_CALLERS });
  const it = shared(t.procedure).meta({ idempotency: ATOMIC }).mutation(done);
  expect(await findings(t.router({ it }))).toMatchObject([{ code: 'unscoped', severity: 'error' }]);
});

test.each([
  ['a constant', () => 'shop', ['scope_constant']],
  ['a constant template', () => `shop`, ['scope_constant']],
  [
    'a constant returned',
    function scope() {
      return 'shop';
    },
    ['scope_constant'],
  ],
  ['the user', (ctx: Context) => ctx.user.id, []],
  ['a template with the user', (ctx: Context) => `shop/${ctx.user.id}`, []],
  ['a constant for some', (ctx: Context) => (ctx.user.admin ? 'admins' : ctx.user.id), []],
  ['nobody', () => undefined, []],
] as const)('a scope that is %s', async (_, scope, expected) => {
  const scoped = trpcIdempotency({ semel, scope: scope as (ctx: Context) => string | undefined });
  const it = scoped(t.procedure).meta({ idempotency: ATOMIC }).mutation(done);
  expect(await codes(t.router({ it }))).toEqual(expected);
});

test('the marks that inspect reads change nothing about a call', async () => {
  const router = t.router({ it: procedure(ATOMIC, () => 'done') });
  expect(await router.createCaller(context('k')).it()).toBe('done');
});
