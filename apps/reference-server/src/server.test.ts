import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createRig, type Rig, refusal, until } from './testing/rig.ts';
import type {} from './testing/vitest-context.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await createRig(inject('databaseUrl'), {
    bodyLimitBytes: 1_024,
    rateLimit: { max: 50, windowMs: 600_000 },
  });
});
afterAll(() => rig.close());

const get = (path: string, headers: Record<string, string> = {}) => fetch(rig.server.url + path, { headers });
const create = (key: string, sku: string) =>
  fetch(`${rig.server.url}/trpc/orders.create`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer sk_demo_acme',
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    body: JSON.stringify({ json: { sku, quantity: 1 } }),
  });

test('health and readiness need no key', async () => {
  expect(await (await get('/healthz')).json()).toStrictEqual({ status: 'ok' });
  const ready = await get('/readyz');
  expect([ready.status, await ready.json()]).toStrictEqual([200, { status: 'ready' }]);
});

test('answers carry security headers, a request id, and are not cached', async () => {
  const { headers } = await create('h-1', 'headers');
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('content-security-policy')).toContain("default-src 'self'");
  expect(headers.get('x-request-id')).toMatch(/^[\da-f-]{36}$/);
  expect(headers.get('cache-control')).toBe('private, no-store');
  const query = await get('/trpc/payments.list', { authorization: 'Bearer sk_demo_acme' });
  expect(query.headers.get('cache-control')).toBe('private, no-store');
});

test('a body that is too large is 413, in the shape of tRPC', async () => {
  const answer = await create('big', 'x'.repeat(2_000));
  expect(answer.status).toBe(413);
  expect(await answer.json()).toStrictEqual({
    error: {
      json: {
        message: 'The request body is larger than 1024 bytes',
        code: -32013,
        data: { code: 'PAYLOAD_TOO_LARGE', httpStatus: 413 },
      },
    },
  });
});

test('another content type is 415, an unknown path 404', async () => {
  const plain = await fetch(`${rig.server.url}/trpc/orders.create`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk_demo_acme', 'content-type': 'text/csv' },
    body: 'a,b',
  });
  expect(plain.status).toBe(415);
  expect((await get('/nowhere')).status).toBe(404);
  expect((await get('/trpc/no.such', { authorization: 'Bearer sk_demo_acme' })).status).toBe(404);
});

test('metrics tell of requests and of operations, without a tenant, key or id in a label', async () => {
  await create('m-secret-key', 'metrics');
  const text = await (await get('/metrics')).text();
  expect(text).toContain(
    'idempotency_requests_total{idempotency_procedure="orders.create",idempotency_outcome="executed"',
  );
  expect(text).toContain('idempotency_execution_duration_bucket');
  expect(text).toMatch(
    /http_server_request_duration_count\{http_request_method="POST",http_route="\/trpc\/:path",http_response_status_code="200"/,
  );
  expect(text).not.toMatch(/acme|m-secret-key|ord_/);
});

test('log lines of a payment carry operation id, key and provider reference', async () => {
  const paid = await rig.client('sk_demo_acme', 'log-1').payments.create.mutate({
    amount: 700,
    currency: 'EUR',
    customer: 'cus_very_private',
    reference: 'private-reference',
  });
  const lines = rig.logs.filter(({ key }) => key === 'log-1');
  expect(lines.map(({ event }) => event)).toStrictEqual(['claimed', 'provider_answered', 'step', 'executed']);
  const trio = { operationId: paid.id.slice('pay_'.length), key: 'log-1', providerRef: paid.providerRef };
  expect(lines.find(({ event }) => event === 'provider_answered')).toMatchObject(trio);
  expect(lines.at(-1)).toMatchObject({
    ...trio,
    tenant: 'acme',
    procedure: 'payments.create',
    attempt: 1,
    outcome: 'completed',
  });
  expect(lines.at(-1)?.requestId).toMatch(/^[\da-f-]{36}$/);
});

test('a replay and a refusal are logged with the operation they are about', async () => {
  await create('log-2', 'logged');
  const operationId = rig.logs.find(({ key, event }) => key === 'log-2' && event === 'executed')?.operationId;
  await create('log-2', 'logged');
  await create('log-2', 'other');
  const later = rig.logs.filter(({ key, event }) => key === 'log-2' && event !== 'executed');
  expect(later).toMatchObject([
    { event: 'replayed', operationId, tenant: 'acme' },
    { event: 'refused', operationId, tenant: 'acme', code: 'key_reused' },
  ]);
});

test('a failure is logged with its causes, and without what the provider or the caller sent', async () => {
  const key = 'log-3';
  const call = rig.client('sk_demo_acme', key).payments.create.mutate({
    amount: 700,
    currency: 'EUR',
    customer: 'cus_lost',
    reference: 'private-reference',
  });
  await refusal(call);
  const released = rig.logs.find((line) => line.key === key && line.event === 'released');
  expect(released?.err).toMatchObject({
    type: 'TRPCError',
    code: 'BAD_GATEWAY',
    cause: {
      type: 'ProviderFailure',
      cause: { type: 'Error', message: expect.stringContaining('connection to Stripe') },
    },
  });
});

test('neither secrets nor inputs nor outcomes are logged', async () => {
  const input = encodeURIComponent(JSON.stringify({ json: { id: 'pay_asked_for' } }));
  await get(`/trpc/payments.get?input=${input}`, { authorization: 'Bearer sk_demo_acme' });
  const text = JSON.stringify(rig.logs);
  expect(text).toContain('/trpc/payments.get');
  expect(text).not.toMatch(
    /sk_demo_acme|authorization|pay_asked_for|cus_very_private|private-reference|"owner"|fingerprint/,
  );
});

test('the rate limit is per API key: one tenant that storms does not stop another', async () => {
  const stormy = await rig.key('stormy', 'viewer');
  const calm = await rig.key('calm', 'viewer');
  const statuses = [];
  for (let i = 0; i < 51; i++) {
    const { status, headers } = await get('/trpc/payments.list', { authorization: `Bearer ${stormy}` });
    statuses.push(status);
    if (status === 429) expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  }
  expect(statuses).toStrictEqual([...Array.from({ length: 50 }, () => 200), 429]);
  expect(await refusal(rig.client(stormy).payments.list.query())).toMatchObject({
    code: 'TOO_MANY_REQUESTS',
    httpStatus: 429,
  });
  expect((await get('/trpc/payments.list', { authorization: `Bearer ${calm}` })).status).toBe(200);
});

test('a server at its limit refuses at once, on either carrier, and goes on when there is room', async () => {
  const small = await createRig(inject('databaseUrl'), { maxInFlight: 1 });
  const order = (path: string, key: string, body: object) =>
    fetch(`${small.server.url}${path}`, {
      method: 'POST',
      headers: {
        authorization: 'Bearer sk_demo_acme',
        'content-type': 'application/json',
        'idempotency-key': `"${key}"`,
      },
      body: JSON.stringify(body),
    });
  const payment = { amount: 100, currency: 'EUR', customer: 'cus_slow' };
  const slow = order('/v1/payments', 'slow', payment);
  const asked = () => fetch(`${small.server.url}/openapi.json`).then(({ status }) => status);
  await expect.poll(asked).toBe(503);

  const rest = await order('/v1/orders', 'turned-away', { sku: 'x', quantity: 1 });
  expect([rest.status, rest.headers.get('retry-after')]).toStrictEqual([503, '1']);
  expect(rest.headers.get('content-type')).toContain('application/problem+json');
  const trpc = await order('/trpc/orders.create', 'turned-away', { json: { sku: 'x', quantity: 1 } });
  expect([trpc.status, trpc.headers.get('retry-after')]).toStrictEqual([503, '1']);
  expect(await trpc.json()).toMatchObject({ error: { json: { data: { code: 'SERVICE_UNAVAILABLE' } } } });
  expect((await fetch(`${small.server.url}/healthz`)).status).toBe(200);

  expect((await slow).status).toBe(201);
  const later = await order('/v1/orders', 'turned-away', { sku: 'x', quantity: 1 });
  expect([later.status, later.headers.get('idempotency-replayed')]).toStrictEqual([201, null]);
  await small.close();
});

test('made-up keys share the limit of their address', async () => {
  const statuses = await Promise.all(
    Array.from({ length: 60 }, (_, i) =>
      get('/trpc/payments.list', { authorization: `Bearer made-up-${i}` }).then(({ status }) => status),
    ),
  );
  expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(0);
  expect(new Set(statuses)).toStrictEqual(new Set([401, 429]));
});

test('demo keys that are still in the database are refused where they are not let in', async () => {
  const strict = await createRig(inject('databaseUrl'), { demoKeys: false });
  expect(await refusal(strict.client('sk_demo_acme').payments.list.query())).toMatchObject({
    httpStatus: 401,
  });
  await strict.close();
});

test('without its database the server is alive, not ready, and answers 503', async () => {
  const lonely = await createRig(inject('databaseUrl'));
  await lonely.database.close();
  expect((await fetch(`${lonely.server.url}/healthz`)).status).toBe(200);
  expect((await fetch(`${lonely.server.url}/readyz`)).status).toBe(503);
  expect(
    await refusal(lonely.client('sk_demo_acme', 'x').orders.create.mutate({ sku: 'x', quantity: 1 })),
  ).toMatchObject({
    code: 'SERVICE_UNAVAILABLE',
    httpStatus: 503,
  });
  await lonely.server.close();
  await lonely.sim.close();
});

test('draining finishes what runs, answers 503 to new work, and then is gone', async () => {
  const draining = await createRig(inject('databaseUrl'), { sim: { slowMs: 700 } });
  const { url } = draining.server;
  const slow = draining
    .client('sk_demo_acme', 'd-slow')
    .payments.create.mutate({ amount: 100, currency: 'EUR', customer: 'cus_slow', reference: 'drain' });
  await until(async () => ((await draining.sim.charges('drain')).length > 0 ? true : undefined));
  const drained = draining.server.drain(10_000);

  const ready = await fetch(`${url}/readyz`);
  expect([ready.status, await ready.json()]).toStrictEqual([503, { status: 'draining' }]);
  expect(
    await refusal(
      draining.client('sk_demo_acme', 'd-new').orders.create.mutate({ sku: 'late', quantity: 1 }),
    ),
  ).toMatchObject({
    httpStatus: 503,
    idempotency: { code: 'store_unavailable', retryable: true },
  });
  expect(await slow).toMatchObject({ state: 'captured' });
  expect(await drained).toBe(0);
  await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  await draining.close();
});

test('at the deadline a drain ends, and says what was still running', async () => {
  const stuck = await createRig(inject('databaseUrl'), { sim: { slowMs: 3_000 } });
  const call = stuck
    .client('sk_demo_acme', 'd-stuck')
    .payments.create.mutate({ amount: 100, currency: 'EUR', customer: 'cus_slow', reference: 'stuck' });
  call.catch(() => {});
  await until(async () => ((await stuck.sim.charges('stuck')).length > 0 ? true : undefined));
  expect(await stuck.server.drain(50)).toBe(1);
  await expect(call).rejects.toThrow();
  await stuck.close();
});
