import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createRig, type Rig, refusal, until } from '../testing/rig.ts';
import type {} from '../testing/vitest-context.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await createRig(inject('databaseUrl'), {
    bodyLimitBytes: 1_024,
    corsOrigins: ['https://shop.example'],
    payment: { leaseMs: 30_000, timeoutMs: 4_000, retries: 0 },
  });
});
afterAll(() => rig.close());

interface Sent {
  readonly key?: string;
  readonly as?: string;
  readonly headers?: Record<string, string>;
  readonly method?: string;
  readonly body?: unknown;
}
interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

/** One request: POST with a body, else GET. An `undefined` header is not sent. */
async function send(
  path: string,
  { key, as = 'sk_demo_acme', headers, method, body }: Sent = {},
): Promise<Answer> {
  const answer = await fetch(rig.server.url + path, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(as !== '' && { authorization: `Bearer ${as}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(key !== undefined && { 'idempotency-key': key }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text === '' ? {} : JSON.parse(text) };
}

const lamp = { sku: 'lamp', quantity: 2 };
const coffee = { amount: 450, currency: 'EUR', customer: 'cus_ok' } as const;

test('an order is made once: 201, then the same 201 as a replay', async () => {
  const first = await send('/v1/orders', { key: '"o-1"', body: lamp });
  const second = await send('/v1/orders', { key: 'o-1', body: '{ "quantity": 2, "sku": "lamp" }' });
  expect(first.status).toBe(201);
  expect(first.body).toStrictEqual({
    id: expect.stringMatching(/^ord_/),
    sku: 'lamp',
    quantity: 2,
    createdAt: expect.any(String),
  });
  expect([second.status, second.body]).toStrictEqual([201, first.body]);
  expect(first.headers.get('idempotency-replayed')).toBeNull();
  expect(second.headers.get('idempotency-replayed')).toBe('true');
  const operation = first.headers.get('idempotency-operation');
  expect(first.body.id).toBe(`ord_${operation}`);
  expect(second.headers.get('idempotency-operation')).toBe(operation);
  expect(second.headers.get('cache-control')).toBe('private, no-store');
  expect(second.headers.get('content-type')).toBe('application/json; charset=utf-8');
});

test('a payment is charged once, and read by its id and in the list', async () => {
  const body = { ...coffee, reference: 'rest-once' };
  const first = await send('/v1/payments', { key: '"p-1"', body });
  const second = await send('/v1/payments', { key: '"p-1"', body });
  expect([first.status, first.body.state, first.body.amount]).toStrictEqual([201, 'captured', 450]);
  expect(second.body).toStrictEqual(first.body);
  expect(await rig.sim.charges('rest-once')).toHaveLength(1);

  const one = await send(`/v1/payments/${String(first.body.id)}`);
  expect([one.status, one.body]).toStrictEqual([200, first.body]);
  const list = await send('/v1/payments?limit=1');
  expect([list.status, list.body]).toStrictEqual([200, { payments: [first.body] }]);
  expect((await send('/v1/payments')).status).toBe(200);
  const head = await send(`/v1/payments/${String(first.body.id)}`, { method: 'HEAD' });
  expect([head.status, head.body]).toStrictEqual([200, {}]);
});

test('a key that came over tRPC is a replay over REST', async () => {
  const input = { ...coffee, reference: 'rest-cross-1' };
  const paid = await rig.client('sk_demo_acme', 'cross-1').payments.create.mutate(input);
  const replay = await send('/v1/payments', { key: '"cross-1"', body: input });
  expect([replay.status, replay.body]).toStrictEqual([201, paid]);
  expect(replay.headers.get('idempotency-replayed')).toBe('true');
  expect(await rig.sim.charges('rest-cross-1')).toHaveLength(1);
  const other = await send('/v1/payments', { key: '"cross-1"', body: { ...input, amount: 451 } });
  expect([other.status, other.body.code]).toStrictEqual([422, 'key_reused']);
});

test('a key that came over REST is a replay over tRPC', async () => {
  const first = await send('/v1/orders', { key: '"cross-2"', body: lamp });
  const client = rig.client('sk_demo_acme', 'cross-2');
  expect(await client.orders.create.mutate(lamp)).toStrictEqual(first.body);
  expect(await refusal(client.orders.create.mutate({ ...lamp, quantity: 3 }))).toMatchObject({
    httpStatus: 422,
    idempotency: { code: 'key_reused' },
  });
  const { rows } = await rig.database.pool.query('SELECT 1 FROM shop.orders WHERE id = $1', [first.body.id]);
  expect(rows).toHaveLength(1);
});

test('a declined card is 402, and its replay over either carrier says the same', async () => {
  const input = { ...coffee, customer: 'cus_declined', reference: 'rest-declined' };
  const first = await send('/v1/payments', { key: '"p-no"', body: input });
  expect([first.status, first.body]).toStrictEqual([
    402,
    {
      type: 'about:blank',
      title: 'Payment Required',
      status: 402,
      detail: 'The card was declined: card_declined',
      code: 'PAYMENT_REQUIRED',
    },
  ]);
  expect(first.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  const second = await send('/v1/payments', { key: '"p-no"', body: input });
  expect([second.status, second.body]).toStrictEqual([402, first.body]);
  expect(second.headers.get('idempotency-replayed')).toBe('true');
  expect(await refusal(rig.client('sk_demo_acme', 'p-no').payments.create.mutate(input))).toMatchObject({
    httpStatus: 402,
    message: 'The card was declined: card_declined',
  });
  expect(rig.sim.requests().filter(({ customer }) => customer === 'cus_declined')).toHaveLength(1);
});

test('a lost answer of the provider is 502, and the same key gets the payment', async () => {
  const body = { ...coffee, customer: 'cus_lost', reference: 'rest-lost' };
  const first = await send('/v1/payments', { key: '"p-lost"', body });
  expect([first.status, first.body.detail]).toStrictEqual([
    502,
    'The payment provider gave no definite answer',
  ]);
  const second = await send('/v1/payments', { key: '"p-lost"', body });
  expect([second.status, second.body.state]).toStrictEqual([201, 'captured']);
  expect(await rig.sim.charges('rest-lost')).toHaveLength(1);
});

test("two tenants' equal keys are two operations, and neither sees the other's", async () => {
  const mine = await send('/v1/payments', { key: '"shared"', body: { ...coffee, reference: 'rest-acme' } });
  const theirs = await send('/v1/payments', {
    key: '"shared"',
    as: 'sk_demo_globex',
    body: { ...coffee, amount: 9_900, reference: 'rest-globex' },
  });
  expect([mine.status, theirs.status]).toStrictEqual([201, 201]);
  expect(theirs.headers.get('idempotency-replayed')).toBeNull();
  expect(theirs.body.id).not.toBe(mine.body.id);

  expect((await send(`/v1/payments/${String(mine.body.id)}`, { as: 'sk_demo_globex' })).status).toBe(404);
  const operation = mine.headers.get('idempotency-operation');
  const asked = await send(`/idempotency/operations/${operation}`, { as: 'sk_demo_globex' });
  expect(asked.body).toStrictEqual({ state: 'not_found', operationId: operation });
  const list = await send('/v1/payments?limit=100', { as: 'sk_demo_globex' });
  expect(JSON.stringify(list.body)).not.toContain('rest-acme');
});

test('what became of an operation is told by its id, and by its key in the header', async () => {
  const made = await send('/v1/orders', { key: '"asked"', body: lamp });
  const operationId = made.headers.get('idempotency-operation');
  const byId = await send(`/idempotency/operations/${operationId}`);
  expect(byId.status).toBe(200);
  expect(byId.body).toMatchObject({
    operationId,
    procedure: 'orders.create',
    state: 'completed',
    outcome: { v: 1, ok: true, value: { json: made.body } },
    transitions: [{ from: null, to: 'completed', cause: 'succeeded' }],
  });
  const byKey = await send('/idempotency/operations?procedure=orders.create', { key: '"asked";age=5' });
  expect(byKey.body).toStrictEqual(byId.body);
  expect(byKey.headers.get('cache-control')).toBe('private, no-store');
  const none = await send('/idempotency/operations?procedure=orders.create', { key: 'never-sent' });
  expect([none.status, none.body]).toStrictEqual([200, { state: 'not_found', procedure: 'orders.create' }]);
});

test.each<[string, string, Sent, number, string]>([
  ['no key', '/v1/orders', { body: lamp }, 400, 'key_missing'],
  ['an empty key', '/v1/orders', { key: '""', body: lamp }, 400, 'key_malformed'],
  ['two keys', '/v1/orders', { key: '"a", "b"', body: lamp }, 400, 'key_malformed'],
  [
    "the batch's header",
    '/v1/orders',
    { headers: { 'idempotency-keys': '"a"' }, body: lamp },
    400,
    'key_malformed',
  ],
  [
    'both headers',
    '/v1/orders',
    { key: '"a"', headers: { 'idempotency-keys': '"a"' }, body: lamp },
    400,
    'key_malformed',
  ],
  [
    'a key in the body',
    '/v1/orders',
    { body: { $idempotency: { key: 'a' }, input: lamp } },
    400,
    'key_malformed',
  ],
  [
    'a contract from the future',
    '/v1/orders',
    { key: 'a', headers: { 'idempotency-contract': '2' }, body: lamp },
    400,
    'contract_unsupported',
  ],
  ['an old key that nobody knows', '/v1/orders', { key: '"old";age=90000', body: lamp }, 409, 'key_expired'],
  ['a status by no key', '/idempotency/operations?procedure=orders.create', {}, 400, 'key_missing'],
  [
    "a status by the batch's header",
    '/idempotency/operations?procedure=orders.create',
    { headers: { 'idempotency-keys': '"a"' } },
    400,
    'key_malformed',
  ],
])('%s is a problem of the contract', async (_, path, sent, status, code) => {
  const answer = await send(path, sent);
  expect([answer.status, answer.body.code, answer.body.status]).toStrictEqual([status, code, status]);
  expect(answer.body).toMatchObject({ type: `urn:semel:problem:${code}`, contract: 1, retryable: false });
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
});

test.each<[string, string, Sent, number, RegExp]>([
  ['no API key', '/v1/orders', { as: '', key: 'x', body: lamp }, 401, /No valid API key/],
  ['a made-up API key', '/v1/payments', { as: 'sk_made_up' }, 401, /No valid API key/],
  [
    'no right to create',
    '/v1/orders',
    { as: 'sk_demo_operator', key: 'x', body: lamp },
    403,
    /may not create/,
  ],
  ['no such payment', '/v1/payments/pay_none', {}, 404, /no such payment/],
  ['no such path', '/v1/nowhere', {}, 404, /nothing here/],
  ['a path that is no text', '/v1/payments/%E0%A4', {}, 400, /well-formed/],
  ['a NUL in the path', '/v1/payments/a%00b', {}, 400, /^The input is not valid. id: /],
  ['a NUL in the body', '/v1/orders', { key: 'x', body: { sku: 'a\0', quantity: 1 } }, 400, /sku: /],
  ['half a surrogate pair', '/v1/orders', { key: 'x', body: '{"sku":"\\ud800","quantity":1}' }, 400, /sku: /],
  [
    'input of the wrong type',
    '/v1/orders',
    { key: 'x', body: { ...lamp, quantity: '2' } },
    400,
    /quantity: /,
  ],
  [
    'a number beyond 2^53',
    '/v1/orders',
    { key: 'x', body: '{"sku":"x","quantity":9007199254740993}' },
    400,
    /quantity: /,
  ],
  ['a body that is no JSON', '/v1/orders', { key: 'x', body: '{"sku":' }, 400, /well-formed JSON/],
  ['a body that is no object', '/v1/orders', { key: 'x', body: '[]' }, 400, /JSON object/],
  [
    'the same member twice over',
    '/v1/orders?sku=lamp',
    { key: 'x', body: lamp },
    400,
    /"sku" stands in more than one/,
  ],
  ['a query member twice', '/v1/payments?limit=1&limit=2', {}, 400, /"limit" more than once/],
  ['a query member of the wrong type', '/v1/payments?limit=many', {}, 400, /limit: /],
  ['a limit that is too large', '/v1/payments?limit=101', {}, 400, /limit: /],
  ['a status of nothing', '/idempotency/operations', { key: 'x' }, 400, /Give \{/],
  ['another method', '/v1/orders', { method: 'DELETE' }, 405, /only POST, OPTIONS/],
  ['another method, to nobody', '/v1/payments/x', { method: 'PUT', as: '' }, 405, /only GET, HEAD, OPTIONS/],
  [
    'a caller who takes no JSON',
    '/v1/payments',
    { headers: { accept: 'text/html' } },
    406,
    /accept application\/json/,
  ],
  [
    'a caller who refuses JSON',
    '/v1/payments',
    { headers: { accept: '*/*, application/json;q=0' } },
    406,
    /accept application\/json/,
  ],
  [
    'too large a body',
    '/v1/orders',
    { key: 'x', body: { ...lamp, sku: 'x'.repeat(2_000) } },
    413,
    /1024 bytes/,
  ],
  [
    'a form',
    '/v1/orders',
    { key: 'x', headers: { 'content-type': 'text/csv' }, body: 'a,b' },
    415,
    /Content-Type/,
  ],
  [
    'a compressed body',
    '/v1/orders',
    { key: 'x', headers: { 'content-encoding': 'gzip' }, body: lamp },
    415,
    /Content-Encoding/,
  ],
])('%s is a problem document', async (_, path, sent, status, detail) => {
  const answer = await send(path, sent);
  expect([answer.status, answer.body.status, answer.body.type]).toStrictEqual([
    status,
    status,
    'about:blank',
  ]);
  expect(answer.body.detail).toMatch(detail);
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  expect(answer.headers.get('cache-control')).toBe('private, no-store');
});

test('405 says what there is, 401 how to say who asks, 415 what is taken', async () => {
  expect((await send('/v1/payments', { method: 'PATCH' })).headers.get('allow')).toBe(
    'POST, GET, HEAD, OPTIONS',
  );
  expect((await send('/v1/payments', { as: '' })).headers.get('www-authenticate')).toBe('Bearer');
  const csv = await send('/v1/orders', { headers: { 'content-type': 'text/csv' }, body: 'a' });
  expect(csv.headers.get('accept-post')).toBe('application/json');
});

test('a caller who takes plain JSON and no problem+json gets plain JSON', async () => {
  const answer = await send('/v1/payments/none', { headers: { accept: 'application/json' } });
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect(answer.body).toMatchObject({ status: 404 });
});

test('what is refused before the claim leaves the key free', async () => {
  expect((await send('/v1/orders', { key: 'free', body: { sku: 'x' } })).status).toBe(400);
  expect((await send('/v1/orders', { key: 'free', body: lamp })).status).toBe(201);
});

test('a member called __proto__ is one like any other: stripped from the input, but not from what is compared', async () => {
  const plain = '{"sku":"proto","quantity":1}';
  const first = await send('/v1/orders', {
    key: 'proto',
    body: '{"sku":"proto","quantity":1,"__proto__":{"a":1}}',
  });
  expect([first.status, first.body.sku]).toStrictEqual([201, 'proto']);
  const other = await send('/v1/orders', { key: 'proto', body: plain });
  expect([other.status, other.body.code]).toStrictEqual([422, 'key_reused']);
});

test('a web page of an allowed origin may ask, and may read the headers of errors too', async () => {
  const origin = 'https://shop.example';
  const preflight = await send('/v1/payments', {
    as: '',
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'idempotency-key',
    },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get('access-control-allow-origin')).toBe(origin);
  const allowed = preflight.headers.get('access-control-allow-headers')?.split(', ');
  expect(allowed).toEqual(
    expect.arrayContaining([
      'Authorization',
      'Content-Type',
      'Idempotency-Key',
      'Idempotency-Keys',
      'Idempotency-Contract',
    ]),
  );
  for (const [path, sent, status] of [
    ['/v1/payments', {}, 200],
    ['/v1/payments', { as: '' }, 401],
    ['/v1/orders', { body: lamp }, 400],
    ['/v1/nowhere', {}, 404],
    ['/v1/orders', { method: 'PUT' }, 405],
    ['/trpc/payments.list', {}, 200],
  ] as const) {
    const { headers, ...answer } = await send(path, { ...sent, headers: { origin } });
    expect(answer.status).toBe(status);
    expect(headers.get('access-control-allow-origin')).toBe(origin);
    expect(headers.get('access-control-expose-headers')?.split(', ')).toEqual(
      expect.arrayContaining(['Idempotency-Replayed', 'Idempotency-Operation', 'Retry-After', 'Location']),
    );
  }
  const stranger = await send('/v1/payments', { headers: { origin: 'https://evil.example' } });
  expect(stranger.headers.get('access-control-allow-origin')).toBeNull();
});

test('without the setting no origin is allowed', async () => {
  const closed = await createRig(inject('databaseUrl'));
  const headers = { origin: 'https://shop.example', authorization: 'Bearer sk_demo_acme' };
  const answer = await fetch(`${closed.server.url}/v1/payments`, { headers });
  expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  const options = await fetch(`${closed.server.url}/v1/payments`, { method: 'OPTIONS' });
  expect([options.status, options.headers.get('allow')]).toStrictEqual([204, 'POST, GET, HEAD, OPTIONS']);
  await closed.close();
});

test('a storm is 429 with Retry-After, as a problem document', async () => {
  const strict = await createRig(inject('databaseUrl'), { rateLimit: { max: 1, windowMs: 600_000 } });
  const ask = () =>
    fetch(`${strict.server.url}/v1/payments`, { headers: { authorization: 'Bearer sk_demo_acme' } });
  expect((await ask()).status).toBe(200);
  const answer = await ask();
  expect([answer.status, await answer.json()]).toMatchObject([
    429,
    { type: 'about:blank', title: 'Too Many Requests' },
  ]);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  await strict.close();
});

test('without the database a keyed call is 503 with Retry-After, and so is a read', async () => {
  const lonely = await createRig(inject('databaseUrl'));
  await lonely.database.close();
  const authorization = 'Bearer sk_demo_acme';
  const keyed = await fetch(`${lonely.server.url}/v1/orders`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json', 'idempotency-key': 'x' },
    body: JSON.stringify(lamp),
  });
  expect([keyed.status, await keyed.json()]).toMatchObject([
    503,
    { code: 'store_unavailable', retryable: true },
  ]);
  expect(keyed.headers.get('retry-after')).toBe('2');
  expect((await fetch(`${lonely.server.url}/v1/payments`, { headers: { authorization } })).status).toBe(503);
  await lonely.server.close();
  await lonely.sim.close();
});

test('a server that is stopping finishes what runs, and answers 503 to new work', async () => {
  const draining = await createRig(inject('databaseUrl'), { sim: { slowMs: 1_000 } });
  const post = (path: string, key: string, body: object) =>
    fetch(draining.server.url + path, {
      method: 'POST',
      headers: {
        authorization: 'Bearer sk_demo_acme',
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify(body),
    });
  const slow = post('/v1/payments', 'slow', { ...coffee, customer: 'cus_slow', reference: 'rest-drain' });
  await until(async () => ((await draining.sim.charges('rest-drain')).length > 0 ? true : undefined));
  const drained = draining.server.drain(20_000);
  const late = await post('/v1/orders', 'late', lamp);
  expect([late.status, await late.json()]).toMatchObject([
    503,
    { code: 'store_unavailable', retryable: true },
  ]);
  expect(Number(late.headers.get('retry-after'))).toBeGreaterThan(0);
  const paid = await slow;
  expect([paid.status, await paid.json()]).toMatchObject([201, { state: 'captured' }]);
  expect(await drained).toBe(0);
  await draining.close();
});
