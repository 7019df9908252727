import { createSemelClient, keyedFetch, outcomeOf } from '@semel/client';
import { MockRefusal, semelHandlers } from '@semel/testing/msw';
import { createTRPCUntypedClient, httpBatchLink, httpLink } from '@trpc/client';
import { setupServer } from 'msw/node';
import superjson from 'superjson';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

const trpcUrl = 'https://api.example.com/trpc';
const httpUrl = 'https://api.example.com';

let made = 0;
const semel = semelHandlers({
  trpc: {
    url: trpcUrl,
    transformer: superjson,
    mutations: {
      'orders.create': (input: { sku: string }) => ({ id: `o-${++made}`, sku: input.sku, at: new Date(0) }),
      'cards.charge': () => {
        throw new MockRefusal(402, 'card declined');
      },
    },
  },
  http: {
    url: httpUrl,
    routes: {
      'POST /orders': ({ body }) => ({ id: `o-${++made}`, sku: body.sku }),
      'POST /invoices/:id': ({ params }) => new Response(`paid ${String(params.id)}`, { status: 201 }),
    },
  },
});
const server = setupServer(...semel.handlers);
beforeAll(() => server.listen({ onUnhandledFrame: 'error' }));
afterEach(() => {
  semel.reset();
  made = 0;
});
afterAll(() => server.close());

const quick = () => createSemelClient({ retry: { baseMs: 1 }, inFlight: { firstMs: 1, capMs: 5 } });

function trpc(batch: boolean) {
  const client = quick();
  const options = { url: trpcUrl, transformer: superjson, headers: client.headers(), fetch: client.fetch() };
  const link = batch ? httpBatchLink(options as never) : httpLink(options as never);
  const calls = createTRPCUntypedClient({ links: [client.link(), link] });
  return (path: string, input: unknown, key?: string) =>
    outcomeOf(() => calls.mutation(path, input, key ? { context: { idempotencyKey: key } } : {}) as never);
}

describe.each([
  ['single calls', false],
  ['batches', true],
])('a client of mocked procedures over %s', (_, batch) => {
  test('gets what the mock answers, with its types', async () => {
    expect(await trpc(batch)('orders.create', { sku: 'tea' })).toMatchObject({
      status: 'completed',
      data: { id: 'o-1', sku: 'tea', at: new Date(0) },
      replayed: false,
    });
    expect(semel.executions).toMatchObject([{ name: 'orders.create', input: { sku: 'tea' } }]);
  });

  test('gets a replay for its key', async () => {
    const call = trpc(batch);
    await call('orders.create', { sku: 'tea' }, 'k');
    expect(await call('orders.create', { sku: 'tea' }, 'k')).toMatchObject({
      status: 'completed',
      data: { id: 'o-1' },
      replayed: true,
    });
    expect(semel.executions).toHaveLength(1);
  });

  test('comes back after a lost answer, and the mock has run once', async () => {
    semel.next('orders.create', 'lost answer');
    expect(await trpc(batch)('orders.create', { sku: 'tea' })).toMatchObject({
      status: 'completed',
      data: { id: 'o-1' },
      replayed: true,
    });
    expect(semel.executions).toHaveLength(1);
  });

  test('comes back after a lost request, and the mock has run once', async () => {
    semel.next('orders.create', 'lost request', 'lost request');
    expect(await trpc(batch)('orders.create', { sku: 'tea' })).toMatchObject({
      status: 'completed',
      replayed: false,
    });
    expect(semel.executions).toHaveLength(1);
  });

  test('waits while another attempt is in flight', async () => {
    semel.next('orders.create', 'in_flight', 'in_flight');
    expect(await trpc(batch)('orders.create', { sku: 'tea' })).toMatchObject({ status: 'completed' });
    expect(semel.executions).toHaveLength(1);
  });

  test('polls an accepted call until it is done', async () => {
    semel.next('orders.create', 'accepted');
    expect(await trpc(batch)('orders.create', { sku: 'tea' })).toMatchObject({
      status: 'completed',
      data: { id: 'o-1', at: new Date(0) },
    });
    expect(semel.executions).toHaveLength(1);
  });

  test('is told that another input has its key', async () => {
    const call = trpc(batch);
    await call('orders.create', { sku: 'tea' }, 'k');
    const outcome = await call('orders.create', { sku: 'coffee' }, 'k');
    expect(outcome).toMatchObject({
      status: 'rejected',
      error: { data: { httpStatus: 422, idempotency: { code: 'key_reused' } } },
    });
  });

  test('is refused by the mock, again and again', async () => {
    const call = trpc(batch);
    for (let each = 0; each < 2; each++)
      expect(await call('cards.charge', {}, 'k')).toMatchObject({
        status: 'rejected',
        error: { message: 'card declined', data: { httpStatus: 402 } },
      });
    expect(semel.executions).toHaveLength(1);
  });
});

test('calls of one batch have keys of their own, and are answered by their place', async () => {
  const call = trpc(true);
  await call('orders.create', { sku: 'tea' }, 'k1');
  const [first, second] = await Promise.all([
    call('orders.create', { sku: 'cup' }, 'k2'),
    call('orders.create', { sku: 'tea' }, 'k1'),
  ]);
  expect(first).toMatchObject({ data: { id: 'o-2', sku: 'cup' }, replayed: false });
  expect(second).toMatchObject({ data: { id: 'o-1', sku: 'tea' }, replayed: true });
});

describe('a client of mocked routes', () => {
  const send = (key = 'k', sku = 'tea') =>
    keyedFetch(quick())(`${httpUrl}/orders`, {
      key,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sku }),
    });
  const dataOf = async (outcome: Awaited<ReturnType<typeof send>>) =>
    outcome.status === 'completed' ? outcome.data.json() : undefined;

  test('gets a replay, also after a lost answer', async () => {
    semel.next('POST /orders', 'lost answer');
    const first = await send();
    expect(first).toMatchObject({ status: 'completed', replayed: true });
    expect(await dataOf(first)).toEqual({ id: 'o-1', sku: 'tea' });
    expect(await dataOf(await send())).toEqual({ id: 'o-1', sku: 'tea' });
    expect(semel.executions).toHaveLength(1);
  });

  test('polls an accepted request at its Location until it is done', async () => {
    semel.next('POST /orders', 'accepted');
    expect(await dataOf(await send())).toEqual({ id: 'o-1', sku: 'tea' });
  });

  test('is refused for another body', async () => {
    await send();
    expect(await send('k', 'coffee')).toMatchObject({ status: 'rejected', error: { status: 422 } });
  });

  test('gets the response of a mock as it is', async () => {
    const outcome = await keyedFetch(quick())(`${httpUrl}/invoices/7`);
    expect(outcome).toMatchObject({ status: 'completed', data: { status: 201 } });
    expect(outcome.status === 'completed' && (await outcome.data.text())).toBe('paid 7');
  });
});

test('a request without a key is refused, as a server would', async () => {
  const response = await fetch(`${httpUrl}/orders`, { method: 'POST', body: '{}' });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ type: 'urn:semel:problem:key_missing', code: 'key_missing' });
  expect(semel.executions).toEqual([]);
});

test('what nobody knows stays unknown, with its key', async () => {
  semel.always('orders.create', 'outcome_unknown');
  const client = createSemelClient({ retry: { deadlineMs: 100 } });
  const calls = createTRPCUntypedClient({
    links: [
      client.link(),
      httpLink({ url: trpcUrl, transformer: superjson, headers: client.headers() } as never),
    ],
  });
  const outcome = await outcomeOf(
    () => calls.mutation('orders.create', { sku: 'tea' }, { context: { idempotencyKey: 'k' } }) as never,
  );
  expect(outcome).toMatchObject({ status: 'unknown', key: 'k' });
  expect(semel.executions).toEqual([]);
});

test('a route that is written in another way is refused', () => {
  expect(() => semelHandlers({ http: { url: httpUrl, routes: { '/orders': () => 1 } } })).toThrow(
    "a route is written as 'POST /orders'",
  );
});
