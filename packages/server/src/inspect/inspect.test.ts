import { lazy, TRPCError } from '@trpc/server';
import { expect, test } from 'vitest';
import { httpIdempotency } from '../adapters/http/http-idempotency.ts';
import { CATALOGUE, FINDING_CODES } from './catalogue.ts';
import {
  ATOMIC,
  codes,
  findings,
  found,
  idempotent,
  LEASED,
  procedure,
  semel,
  t,
} from './inspect.fixture.ts';
import { inspect } from './inspect.ts';
import { inspectReport } from './report.ts';

// biome-ignore lint/suspicious/noExplicitAny: handlers are looked at and never run
type Any = any;
const done = () => undefined;

test('findings are ordered by severity, then by code and procedure, whatever the order of the router', async () => {
  const parts = {
    b: t.procedure.mutation(done),
    a: t.procedure.mutation(done),
    c: procedure({ mode: 'atomic', key: 'optional' }, done),
    d: t.procedure.meta({ idempotency: ATOMIC }).mutation(done),
  };
  const { a, b, c, d } = parts;
  const order = async (router: Parameters<typeof inspect>[0]) =>
    (await inspect(router)).findings.map(
      ({ severity, code, procedure }) => `${severity} ${code} ${procedure}`,
    );
  const expected = [
    'error policy_not_in_force d',
    'error no_policy a',
    'error no_policy b',
    'warning key_optional c',
    'advice default_ttl c',
  ];
  expect(await order(t.router({ a, b, c, d }))).toEqual(expected);
  expect(await order(t.router({ d, c, b, a }))).toEqual(expected);
});

test('the report has the published schema, and counts what it has', async () => {
  const report = await inspect(
    t.router({
      a: t.procedure.mutation(done),
      b: procedure({ mode: 'atomic' }, done),
      c: t.procedure.query(done),
    }),
  );
  expect(inspectReport.parse(JSON.parse(JSON.stringify(report)))).toStrictEqual(report);
  expect(report.summary).toEqual({
    mutations: 2,
    protected: 1,
    error: 1,
    warning: 0,
    advice: 1,
    accepted: 0,
  });
});

test('every code says why it matters and what to write instead', () => {
  for (const code of FINDING_CODES) {
    expect(code).toMatch(/^[a-z_]+$/);
    expect(CATALOGUE[code].why).toMatch(/^[A-Z].*\.$/);
    expect(CATALOGUE[code].instead.length).toBeGreaterThan(10);
  }
});

test('a procedure accepts a finding with a reason: it is shown and not counted', async () => {
  const it = t.procedure.meta({ acceptedFindings: { no_policy: 'twice is as good as once' } }).mutation(done);
  const report = await inspect(t.router({ it }));
  expect(report.findings).toMatchObject([
    { code: 'no_policy', severity: 'error', accepted: 'twice is as good as once' },
  ]);
  expect(report.summary).toMatchObject({ error: 0, accepted: 1 });
});

test("a router's findings are accepted from outside as well", async () => {
  const router = t.router({ it: t.procedure.mutation(done), other: t.procedure.mutation(done) });
  const report = await inspect(router, { accept: { it: { no_policy: 'generated' } } });
  expect(report.summary).toMatchObject({ error: 1, accepted: 1 });
});

test('an acceptance that is for nothing is found; one that gives no reason accepts nothing', async () => {
  const acceptedFindings = { key_optional: 'old clients', nonsense: 'why not', default_ttl: ' ' };
  const it = idempotent(t.procedure)
    .meta({ idempotency: { mode: 'atomic' }, acceptedFindings })
    .mutation(done);
  expect((await findings(t.router({ it }))).map(({ code, what }) => `${code}: ${what}`)).toEqual([
    'default_ttl: chooses no ttlMs: keys are forgotten 24 h after they were settled',
    'stale_acceptance: accepts default_ttl without a reason',
    "stale_acceptance: accepts key_optional, which isn't found here",
    'stale_acceptance: accepts nonsense, which is no finding',
  ]);
});

test('routers that load lazily are loaded, also inside of each other', async () => {
  const inner = t.router({ save: t.procedure.mutation(done) });
  const outer = t.router({ inner: lazy(async () => ({ inner })), also: t.procedure.mutation(done) });
  const router = t.router({ outer: lazy(async () => ({ outer })) });
  const { findings } = await inspect(router);
  expect(findings.map(({ procedure }) => procedure)).toEqual(['outer.also', 'outer.inner.save']);
});

test('what cannot be looked into is said, and nothing is made up about it', async () => {
  const send = async (...given: unknown[]) => given.length;
  const bound = (async ({ ctx }: Any) => send(ctx)).bind(undefined);
  const router = t.router({
    bound: procedure(LEASED, bound),
    handed: procedure(LEASED, async ({ ctx: { operation }, input }: Any) => send(operation, input)),
    seen: procedure(LEASED, async ({ ctx: { operation } }: Any) => operation.settle(async () => 1)),
  });
  const report = await inspect(router);
  expect(report.findings).toEqual([]);
  expect(report.unseen).toEqual([
    { procedure: 'bound', what: "the handler's source can't be read" },
    { procedure: 'handed', what: 'send() gets the operation' },
  ]);
});

test('a function that does the work is looked at in the place of the resolver that calls it', async () => {
  const pay = async (operation: Any) => {
    await operation.step('charge', () => fetch('http://x', { method: 'POST' }).then((one) => one.json()));
    return operation.settle(async () => 1);
  };
  const router = t.router({ pay: procedure(LEASED, ({ ctx: { operation } }: Any) => pay(operation)) });
  expect((await inspect(router)).findings).toEqual([]);
  const { findings, unseen } = await inspect(router, { handlers: { pay } });
  expect(findings.map(({ code }) => code)).toEqual(['missing_child_key']);
  expect(unseen).toEqual([]);
  await expect(inspect(router, { handlers: { play: pay } })).rejects.toThrow(
    'inspect: there is no mutation play',
  );
});

test('handlers are understood in every form in which a function is written', async () => {
  const warned = 'call_in_transaction: looks like fetch() goes out of the handler of one transaction';
  const object = {
    async method() {
      return { ok: (await fetch('http://x')).ok };
    },
    'quoted name': async () => ({ ok: (await fetch('http://x')).ok }),
    [`computed${1}`]: () => fetch('http://x').then(({ ok }) => ({ ok })),
  };
  // biome-ignore lint/complexity/noStaticOnlyClass: one of the forms
  class Handlers {
    static async create() {
      return { ok: (await fetch('http://x')).ok };
    }
  }
  const forms = [object.method, object['quoted name'], object.computed1 as () => unknown, Handlers.create];
  for (const form of forms) expect(await found(ATOMIC, form)).toEqual([warned]);
});

test('routes that share a name are told apart: each has its own findings, and its own accepted ones', async () => {
  const route = httpIdempotency({ semel, scope: (request) => request.headers.get('x-user') ?? undefined });
  const create = route({ name: 'orders', mode: 'atomic' }, () => new Response());
  const cancel = route({ name: 'orders', mode: 'atomic', ttlMs: 86_400_000 }, () => new Response());
  const { findings, summary } = await inspect([create, cancel]);
  expect(findings.map(({ code, what }) => [code, what])).toEqual([
    ['name_shared', "has the name 'orders', as another route has"],
    ['name_shared', "has the name 'orders', as another route has"],
    ['default_ttl', expect.any(String)],
  ]);
  expect(summary).toMatchObject({ mutations: 2, error: 2, advice: 1 });
});

test('plain routes are looked at too: a Response is what they return', async () => {
  const route = httpIdempotency({ semel, scope: (request) => request.headers.get('x-user') ?? undefined });
  const { findings, summary } = await inspect([
    route({ name: 'orders.create', mode: 'leased', ttlMs: 172_800_000 }, async (request, { operation }) => {
      const { sku } = (await request.json()) as { sku: string };
      await fetch('http://warehouse', { method: 'POST', body: sku });
      return operation.settle(async () => Response.json({ sku }));
    }),
    route({ name: 'orders.cancel', mode: 'atomic', ttlMs: 1000, finalErrors: () => true }, async () =>
      Response.json({}),
    ),
  ]);
  expect(findings.map(({ code, procedure, what }) => [code, procedure, what])).toEqual([
    ['effect_outside_step', 'orders.create', 'looks like fetch() has an effect outside of a step'],
    [
      'final_transient',
      'orders.cancel',
      'says that UNAUTHORIZED, TIMEOUT, TOO_MANY_REQUESTS and 11 more is final (finalErrors)',
    ],
  ]);
  expect(summary).toMatchObject({ mutations: 2, protected: 2 });
});

test('what is neither a router nor a wrapped route is refused', async () => {
  await expect(inspect([() => new Response()])).rejects.toThrow(
    'inspect takes a tRPC router, or a list of what @semel/server/http wrapped',
  );
});

test('no handler, middleware or scope is called', async () => {
  let called = 0;
  const it = idempotent(
    t.procedure.use(({ next }) => {
      called++;
      return next();
    }),
  )
    .meta({ idempotency: { ...ATOMIC, scope: () => String(called++), fingerprint: () => called++ } })
    .mutation(() => {
      called++;
      throw new TRPCError({ code: 'CONFLICT' });
    });
  await codes(t.router({ it }));
  expect(called).toBe(0);
});
