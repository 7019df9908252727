import { createTRPCClient, createWSClient, httpBatchLink, httpBatchStreamLink, wsLink } from '@trpc/client';
import superjson from 'superjson';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { revokeApiKey } from '../access/api-keys.ts';
import { createRig, type Rig, refusal } from '../testing/rig.ts';
import type {} from '../testing/vitest-context.ts';
import type { AppRouter } from './router.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await createRig(inject('databaseUrl'), {
    payment: { leaseMs: 30_000, timeoutMs: 4_000, retries: 0 },
  });
});
afterAll(() => rig.close());

const acme = (key?: string) => rig.client('sk_demo_acme', key);
const payment = (more: object = {}) => ({
  amount: 1250,
  currency: 'EUR' as const,
  customer: 'cus_ok',
  ...more,
});
const count = async (table: string, where = 'true'): Promise<number> => {
  const { rows } = await rig.database.pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM ${table} WHERE ${where}`,
  );
  return rows[0]?.n ?? -1;
};

test('an order is stored once, and a repetition gets the same one', async () => {
  const first = await acme('o-1').orders.create.mutate({ sku: 'lamp', quantity: 2 });
  const second = await acme('o-1').orders.create.mutate({ sku: 'lamp', quantity: 2 });
  expect(first).toStrictEqual({
    id: expect.stringMatching(/^ord_/),
    sku: 'lamp',
    quantity: 2,
    createdAt: expect.any(String),
  });
  expect(second).toStrictEqual(first);
  expect(await count('shop.orders', `sku = 'lamp'`)).toBe(1);
});

test('a payment is charged and stored once, with its history', async () => {
  const first = await acme('p-1').payments.create.mutate(payment({ reference: 'once' }));
  const second = await acme('p-1').payments.create.mutate(payment({ reference: 'once' }));
  expect(first).toMatchObject({
    state: 'captured',
    amount: 1250,
    currency: 'EUR',
    customer: 'cus_ok',
    reference: 'once',
    version: 3,
  });
  expect(second).toStrictEqual(first);
  expect(await rig.sim.charges('once')).toHaveLength(1);
  const { rows } = await rig.database.pool.query(
    `SELECT to_state AS to, trigger_kind AS by FROM pay.state_history WHERE payment_id = $1 ORDER BY version`,
    [first.id],
  );
  expect(rows).toStrictEqual([
    { to: 'created', by: 'request' },
    { to: 'processing', by: 'request' },
    { to: 'captured', by: 'provider' },
  ]);
});

test('the reference is the payment id where the caller has none', async () => {
  const paid = await acme('p-ref').payments.create.mutate(payment());
  expect(paid.reference).toBe(paid.id);
  expect(await rig.sim.charges(paid.id)).toHaveLength(1);
});

test('manual capture authorizes', async () => {
  expect(
    await acme('p-manual').payments.create.mutate(payment({ capture: 'manual' as const })),
  ).toMatchObject({ state: 'authorized' });
});

test('a lost answer of the provider is 502, and the same key gets the payment', async () => {
  const pay = () =>
    acme('p-lost').payments.create.mutate(payment({ customer: 'cus_lost', reference: 'lost' }));
  expect(await refusal(pay())).toMatchObject({ code: 'BAD_GATEWAY', httpStatus: 502 });
  expect(await pay()).toMatchObject({ state: 'captured' });
  expect(await rig.sim.charges('lost')).toHaveLength(1);
});

test('a declined card is 402, kept as a failed payment, and replayed without asking again', async () => {
  const pay = () =>
    acme('p-declined').payments.create.mutate(payment({ customer: 'cus_declined', reference: 'declined' }));
  const first = await refusal(pay());
  expect(first).toMatchObject({
    code: 'PAYMENT_REQUIRED',
    httpStatus: 402,
    message: 'The card was declined: card_declined',
  });
  expect(await refusal(pay())).toStrictEqual(first);
  expect(await count('pay.payment', `reference = 'declined' AND state = 'failed'`)).toBe(1);
  expect(rig.sim.requests().filter(({ customer }) => customer === 'cus_declined')).toHaveLength(1);
});

test('a key that comes back with another amount is key_reused', async () => {
  await acme('p-reused').payments.create.mutate(payment({ reference: 'reused' }));
  expect(
    await refusal(acme('p-reused').payments.create.mutate(payment({ reference: 'reused', amount: 1 }))),
  ).toMatchObject({
    httpStatus: 422,
    idempotency: { code: 'key_reused' },
  });
  expect(await rig.sim.charges('reused')).toHaveLength(1);
});

test('a call without a key is refused, and nothing happens', async () => {
  expect(await refusal(acme().orders.create.mutate({ sku: 'keyless', quantity: 1 }))).toMatchObject({
    httpStatus: 400,
    idempotency: { code: 'key_missing' },
  });
  expect(await count('shop.orders', `sku = 'keyless'`)).toBe(0);
});

test('two tenants with the same key and body have two payments', async () => {
  const [a, b] = await Promise.all(
    ['sk_demo_acme', 'sk_demo_globex'].map((key) =>
      rig.client(key, 'shared').payments.create.mutate(payment({ reference: 'shared' })),
    ),
  );
  expect(a?.id).not.toBe(b?.id);
  expect(await rig.sim.charges('shared')).toHaveLength(2);
});

test("another tenant's payment looks like none", async () => {
  const { id } = await acme('p-mine').payments.create.mutate(payment());
  expect(await acme().payments.get.query({ id })).toMatchObject({ id, state: 'captured' });
  expect(await refusal(rig.client('sk_demo_globex').payments.get.query({ id }))).toMatchObject({
    code: 'NOT_FOUND',
    httpStatus: 404,
  });
});

test('the list is the own tenant only, newest first', async () => {
  const key = await rig.key('lister', 'merchant');
  const first = await rig.client(key, 'l-1').payments.create.mutate(payment());
  const second = await rig.client(key, 'l-2').payments.create.mutate(payment());
  expect(await rig.client(key).payments.list.query()).toStrictEqual({ payments: [second, first] });
});

test('the status of an operation is found by procedure and key, by its own tenant', async () => {
  await acme('s-1').orders.create.mutate({ sku: 'status', quantity: 1 });
  const asked = { procedure: 'orders.create', key: 's-1' };
  expect(await acme().idempotency.status.query(asked)).toMatchObject({
    state: 'completed',
    procedure: 'orders.create',
  });
  expect(await rig.client('sk_demo_globex').idempotency.status.query(asked)).toMatchObject({
    state: 'not_found',
  });
});

test.each([
  ['amount', payment({ amount: 0 })],
  ['amount', payment({ amount: 12.5 })],
  ['amount', payment({ amount: 100_000_000 })],
  ['currency', payment({ currency: 'eur' })],
  ['currency', payment({ currency: 'XXX' })],
  ['customer', payment({ customer: '' })],
])('a wrong %s is 400 and names the field', async (path, input) => {
  expect(await refusal(acme('p-wrong').payments.create.mutate(input as never))).toMatchObject({
    httpStatus: 400,
    issues: [{ path, message: expect.any(String) }],
  });
});

test.each(['', 'Bearer', 'Bearer sk_unknown', 'Basic c2tfZGVtb19hY21lOg=='])(
  'Authorization %j is 401',
  async (authorization) => {
    const answer = await fetch(`${rig.server.url}/trpc/payments.list`, { headers: { authorization } });
    expect(answer.status).toBe(401);
  },
);

test('a revoked key is 401 with the next call', async () => {
  const key = await rig.key('revoked', 'merchant');
  await rig.client(key).payments.list.query();
  const { rows } = await rig.database.pool.query<{ id: string }>(
    `SELECT id FROM access.api_key WHERE tenant_id = 'revoked'`,
  );
  expect(await revokeApiKey(rig.database.pool, rows[0]?.id ?? '')).toBe(true);
  expect(await refusal(rig.client(key).payments.list.query())).toMatchObject({
    code: 'UNAUTHORIZED',
    httpStatus: 401,
  });
});

test.each([
  ['viewer', false],
  ['operator', false],
  ['merchant', true],
  ['admin', true],
] as const)('a %s may create: %s', async (role, may) => {
  const client = rig.client(await rig.key(`roles-${role}`, role), 'r-1');
  const create = client.orders.create.mutate({ sku: `role-${role}`, quantity: 1 });
  if (may) await create;
  else expect(await refusal(create)).toMatchObject({ code: 'FORBIDDEN', httpStatus: 403 });
  expect(await client.payments.list.query()).toStrictEqual({ payments: [] });
});

test('a refused caller leaves no trace: the key still works for who may', async () => {
  const viewer = await rig.key('trace', 'viewer');
  await refusal(rig.client(viewer, 't-1').orders.create.mutate({ sku: 'trace', quantity: 1 }));
  expect(await count('semel.operation', `scope = 'trace'`)).toBe(0);
});

test.each([
  ['batch', httpBatchLink],
  ['stream', httpBatchStreamLink],
])('a %s carries a key for each call', async (name, link) => {
  const client = createTRPCClient<AppRouter>({
    links: [
      link({
        url: `${rig.server.url}/trpc`,
        transformer: superjson,
        headers: { authorization: 'Bearer sk_demo_acme', 'idempotency-keys': `"${name}-1", "${name}-2"` },
      }),
    ],
  });
  const both = () =>
    Promise.all([
      client.orders.create.mutate({ sku: name, quantity: 1 }),
      client.payments.create.mutate(payment({ reference: name })),
    ]);
  const first = await both();
  expect(await both()).toStrictEqual(first);
  expect(await rig.sim.charges(name)).toHaveLength(1);
  expect(await count('shop.orders', `sku = '${name}'`)).toBe(1);
});

test('a socket authenticates by its connection parameters and carries keys in the input', async () => {
  const ws = createWSClient({
    url: `${rig.server.url.replace('http', 'ws')}/trpc`,
    connectionParams: { authorization: 'Bearer sk_demo_acme' },
  });
  const client = createTRPCClient<AppRouter>({ links: [wsLink({ client: ws, transformer: superjson })] });
  const enveloped = { $idempotency: { key: 'ws-1' }, input: { sku: 'socket', quantity: 1 } };
  const first = await client.orders.create.mutate(enveloped as never);
  expect(await client.orders.create.mutate(enveloped as never)).toStrictEqual(first);
  expect(await count('shop.orders', `sku = 'socket'`)).toBe(1);
  await ws.close();
});

test('a socket without a key is refused, call by call', async () => {
  const ws = createWSClient({ url: `${rig.server.url.replace('http', 'ws')}/trpc` });
  const client = createTRPCClient<AppRouter>({ links: [wsLink({ client: ws, transformer: superjson })] });
  expect(await refusal(client.payments.list.query())).toMatchObject({ code: 'UNAUTHORIZED' });
  await ws.close();
});
