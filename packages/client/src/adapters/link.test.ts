// The link over real carriers, against a real server and a real network that fails.
import {
  createTRPCClient,
  createWSClient,
  httpBatchLink,
  httpBatchStreamLink,
  httpLink,
  splitLink,
  TRPCClientError,
  type TRPCLink,
  wsLink,
} from '@trpc/client';
import superjson from 'superjson';
import { describe, expect, it } from 'vitest';
import {
  createSemelClient,
  HttpAnswerError,
  outcomeOf,
  type SemelClientOptions,
  type SemelEvent,
} from '../index.ts';
import { faults, startServer, type TestRouter, type TestServer } from '../test-rig/server.ts';

type Http = typeof httpLink | typeof httpBatchLink | typeof httpBatchStreamLink;
const carriers: [string, Http][] = [
  ['httpLink', httpLink],
  ['httpBatchLink', httpBatchLink],
  ['httpBatchStreamLink', httpBatchStreamLink],
];

function connect(server: TestServer, http: Http, options: SemelClientOptions = {}) {
  const events: SemelEvent[] = [];
  const semel = createSemelClient({
    retry: { baseMs: 1, attemptTimeoutMs: 5_000 },
    inFlight: { firstMs: 5 },
    onEvent: (event) => events.push(event),
    ...options,
  });
  const terminating = http({
    url: server.url,
    transformer: superjson,
    headers: semel.headers(() => ({ authorization: 'Bearer t' })),
    fetch: semel.fetch(),
  }) as TRPCLink<TestRouter>;
  return { semel, events, client: createTRPCClient<TestRouter>({ links: [semel.link(), terminating] }) };
}
const at = new Date('2026-11-22T06:00:00Z');

describe.each(carriers)('over %s', (name, http) => {
  it('sends the key beside the caller’s own headers, and the contract version', async () => {
    await using server = await startServer();
    const { client } = connect(server, http);
    await client.orders.create.mutate({ sku: 'a' }, { context: { idempotencyKey: 'order-7' } });
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]?.headers).toMatchObject({
      'idempotency-key': '"order-7"',
      'idempotency-contract': '1',
      authorization: 'Bearer t',
    });
    expect(server.executions).toEqual([{ path: 'orders.create', key: 'order-7' }]);
  });

  it.each(Object.keys(faults).filter((fault) => fault !== 'silence' && fault !== 'html401'))(
    'gets through %s with the same key, and the handler runs once',
    async (fault) => {
      await using server = await startServer();
      server.fail(faults[fault as keyof typeof faults]);
      const { client } = connect(server, http);
      expect(await client.orders.create.mutate({ sku: 'a', at })).toEqual({ id: 'order-1', sku: 'a', at });
      expect(server.executions).toHaveLength(1);
      expect(server.keysSent()).toHaveLength(2);
      const [first, second] = server.keysSent() as [string, string];
      expect(second).toBe(`${first};age=1`);
    },
  );

  it('keeps status, headers and body of an answer that is not tRPC’s', async () => {
    await using server = await startServer();
    server.fail(faults.html401);
    const { client } = connect(server, http);
    const thrown: unknown = await client.orders.create.mutate({ sku: 'a' }).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(TRPCClientError);
    const answer = HttpAnswerError.from(thrown);
    expect(answer).toMatchObject({ status: 401, body: '<html>log in</html>' });
    expect(answer?.headers.get('content-type')).toBe('text/html');
    expect(server.requests).toHaveLength(1);
  });

  it('sends an internal error of the handler again: the server has let go of the operation', async () => {
    await using server = await startServer();
    const { client } = connect(server, http);
    expect(await client.flaky.mutate({ failures: 2 })).toEqual({ after: 3 });
    expect(new Set(server.executions.map(({ key }) => key)).size).toBe(1);
  });

  it('passes a stored refusal through untouched, and never sends it again', async () => {
    await using server = await startServer();
    const { client } = connect(server, http);
    const outcome = await outcomeOf(() => client.cards.charge.mutate({ sku: 'a' }));
    expect(outcome).toMatchObject({ status: 'rejected', error: { message: 'card_declined' } });
    if (outcome.status === 'rejected') expect(outcome.error).toBeInstanceOf(TRPCClientError);
    expect(server.requests).toHaveLength(1);
  });

  it('passes queries, and calls that opt out, without a key', async () => {
    await using server = await startServer();
    const { client } = connect(server, http);
    expect(await client.ping.query()).toBe('pong');
    expect(await client.unkeyed.mutate(undefined, { context: { idempotency: false } })).toEqual([]);
    for (const { headers } of server.requests) {
      expect(Object.keys(headers).filter((header) => header.startsWith('idempotency'))).toEqual([]);
    }
  });

  it('waits for the attempt that holds the operation, and gets its answer', async () => {
    await using server = await startServer();
    const release = server.hold();
    const one = connect(server, http);
    const two = connect(server, http);
    const context = { idempotencyKey: 'k' };
    const first = one.client.orders.create.mutate({ sku: 'a' }, { context });
    const waited = new Promise<void>((resolve) => {
      one.semel.on('wait', () => resolve());
      two.semel.on('wait', () => resolve());
    });
    const second = two.client.orders.create.mutate({ sku: 'a' }, { context });
    await waited;
    release();
    expect(await second).toEqual(await first);
    expect(server.executions).toHaveLength(1);
    expect(two.events.concat(one.events).some(({ type }) => type === 'retry')).toBe(false);
  });

  it('says whether the answer was replayed, where the carrier does', async () => {
    await using server = await startServer();
    const { client } = connect(server, http);
    const call = () => client.orders.create.mutate({ sku: 'a' }, { context: { idempotencyKey: 'k' } });
    const first = await outcomeOf(call);
    const second = await outcomeOf(call);
    const mark = (replayed: boolean) => (name === 'httpBatchStreamLink' ? undefined : replayed);
    expect(first).toEqual({
      status: 'completed',
      data: { id: 'order-1', sku: 'a' },
      replayed: mark(false),
      key: 'k',
    });
    expect(second).toMatchObject({ status: 'completed', data: { id: 'order-1' }, replayed: mark(true) });
  });

  it('takes an accepted operation to its output, with the original types', async () => {
    await using server = await startServer();
    const { client, semel } = connect(server, http);
    semel.on('accepted', () => server.finishPayouts());
    expect(await client.payouts.create.mutate({ sku: 'a', at })).toEqual({ id: 'payout-1', at });
    expect(server.executions).toHaveLength(1);
    expect(server.requests.filter(({ url }) => url.includes('idempotency.status')).length).toBeGreaterThan(0);
  });

  it('rejects at once when the user aborts in mid-flight, while the server goes on', async () => {
    await using server = await startServer();
    const release = server.hold();
    const { client, semel, events } = connect(server, http);
    const user = new AbortController();
    const sent = new Promise<void>((resolve) => {
      const wait = setInterval(() => {
        if (server.executions.length === 0) return;
        clearInterval(wait);
        resolve();
      }, 1);
    });
    const thrown = client.orders.create
      .mutate({ sku: 'a' }, { signal: user.signal })
      .catch((error: unknown) => error);
    await sent;
    user.abort();
    expect(await thrown).toMatchObject({ cause: { name: 'AbortError' } });
    release();
    expect(events.map(({ type }) => type)).toEqual(['attempt', 'settled']);
    expect(await semel.journal.list()).toMatchObject([{ state: 'unknown' }]);
  });

  it('sends nothing twice that left without its key, and says so', async () => {
    await using server = await startServer();
    server.fail(faults.cutAfter);
    const events: string[] = [];
    const semel = createSemelClient({ retry: { baseMs: 1 }, onEvent: ({ type }) => events.push(type) });
    const terminating = http({ url: server.url, transformer: superjson }) as TRPCLink<TestRouter>;
    const client = createTRPCClient<TestRouter>({ links: [semel.link(), terminating] });
    const outcome = await outcomeOf(() => client.orders.create.mutate({ sku: 'a' }));
    expect(outcome).toMatchObject({ status: 'unknown', reason: 'network' });
    expect(server.requests).toHaveLength(1);
    expect(events).toContain('unkeyed');
  });
});

describe.each(carriers.slice(1))('a batch over %s', (name, http) => {
  it('puts the mutations of one tick into one request, with a key each', async () => {
    await using server = await startServer();
    const { client } = connect(server, http);
    const skus = Array.from({ length: 10 }, (_, i) => `sku-${i}`);
    const orders = await Promise.all(skus.map((sku) => client.orders.create.mutate({ sku })));
    expect(orders.map(({ sku }) => sku)).toEqual(skus);
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]?.headers['idempotency-keys']).toMatch(/^("[\w-]{24}", ){9}"[\w-]{24}"$/);
    expect(new Set(server.executions.map(({ key }) => key)).size).toBe(10);
  });

  it('keeps the header of a hundred aged keys under 4 KB', async () => {
    await using server = await startServer();
    const { client } = connect(server, http);
    server.fail(faults.busy503);
    await Promise.all(Array.from({ length: 100 }, (_, i) => client.orders.create.mutate({ sku: `${i}` })));
    const sizes = server.requests.map(({ headers }) => String(headers['idempotency-keys'] ?? '').length);
    expect(sizes).toEqual([100 * 26 + 99 * 2, 100 * 32 + 99 * 2]);
  });

  it('brings a lost batch back as a batch, for one retry of the budget', async () => {
    await using server = await startServer();
    const { client, events } = connect(server, http, {
      retry: { baseMs: 50, budget: { max: 1, refillPerSuccess: 0 } },
    });
    server.fail(faults.cutAfter);
    await Promise.all(['a', 'b', 'c', 'd'].map((sku) => client.orders.create.mutate({ sku })));
    expect(server.requests).toHaveLength(2);
    expect(server.executions).toHaveLength(4);
    expect(events.filter(({ type }) => type === 'retry')).toHaveLength(4);
  });

  it('marks a call without a key in its place', async () => {
    await using server = await startServer();
    const { client } = connect(server, http);
    const context = { idempotencyKey: 'k' };
    const [keys] = await Promise.all([
      client.unkeyed.mutate(undefined, { context: { idempotency: false } }),
      client.orders.create.mutate({ sku: 'a' }, { context }),
    ]);
    expect(keys).toEqual([null, 'k']);
    expect(server.requests[0]?.headers['idempotency-keys']).toBe('?0, "k"');
  });

  it('sends the one call again that was in flight, alone', async () => {
    await using server = await startServer();
    const release = server.hold();
    const holder = connect(server, httpLink);
    const held = holder.client.orders.create.mutate({ sku: 'a' }, { context: { idempotencyKey: 'k' } });
    const { client, semel } = connect(server, http);
    const waiting = new Promise<void>((resolve) => void semel.on('wait', () => resolve()));
    const executed = holder.semel.journal.list();
    expect(executed).toHaveLength(1);
    while (server.executions.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const all = Promise.all([
      client.cards.charge.mutate({ sku: 'b' }).catch((error: Error) => error.message),
      client.orders.create.mutate({ sku: 'a' }, { context: { idempotencyKey: 'k' } }),
    ]);
    await waiting;
    release();
    expect(await all).toEqual(['card_declined', await held]);
    expect(server.executions.map(({ path }) => path)).toEqual(['orders.create', 'cards.charge']);
    expect(server.keysSent().at(-1)).toBe('"k";age=1');
  });

  it('aborts one call of a batch without the others', async () => {
    await using server = await startServer();
    const release = server.hold();
    const { client } = connect(server, http);
    const user = new AbortController();
    const aborted = client.orders.create
      .mutate({ sku: 'a' }, { signal: user.signal })
      .catch((error: unknown) => error);
    const other = client.orders.create.mutate({ sku: 'b' });
    while (server.executions.length < 2) await new Promise((resolve) => setImmediate(resolve));
    user.abort();
    expect(await aborted).toMatchObject({ cause: { name: 'AbortError' } });
    release();
    expect(await other).toMatchObject({ sku: 'b' });
    expect(server.requests).toHaveLength(1);
  });

  it('reads the replay marks of a batch by place', async () => {
    await using server = await startServer();
    const { client } = connect(server, http);
    const call = (key: string) =>
      outcomeOf(() => client.orders.create.mutate({ sku: 'a' }, { context: { idempotencyKey: key } }));
    await call('k2');
    const outcomes = await Promise.all([call('k1'), call('k2'), call('k3')]);
    expect(server.requests).toHaveLength(2);
    const stream = name === 'httpBatchStreamLink';
    expect(outcomes.map((each) => each.status === 'completed' && each.replayed)).toEqual(
      stream ? [undefined, undefined, undefined] : [false, true, false],
    );
  });
});

it('gives up an attempt in time, and ignores its late answer', async () => {
  await using server = await startServer();
  server.fail(faults.silence);
  const { client } = connect(server, httpLink, { retry: { attemptTimeoutMs: 50, baseMs: 1 } });
  expect(await client.orders.create.mutate({ sku: 'a' })).toMatchObject({ id: 'order-1' });
  expect(server.requests.length).toBeGreaterThan(1);
  expect(server.executions).toHaveLength(1);
});

it('claims with a journal that takes its time, without taking the calls out of their batch', async () => {
  await using server = await startServer();
  const writes: string[][] = [];
  let tick: { record: string; done: () => void }[] = [];
  const { client } = connect(server, httpBatchLink, {
    journal: {
      claim: (record) =>
        new Promise((resolve) => {
          tick.push({ record: record.key, done: () => resolve(record) });
          if (tick.length > 1) return;
          setTimeout(() => {
            writes.push(tick.map((entry) => entry.record));
            for (const { done } of tick.splice(0)) done();
            tick = [];
          });
        }),
      update: () => {},
      settle: () => {},
      list: () => [],
    },
  });
  await Promise.all(['a', 'b', 'c'].map((sku) => client.orders.create.mutate({ sku })));
  expect(writes.map(({ length }) => length)).toEqual([3]);
  expect(server.requests).toHaveLength(1);
});

describe('over a WebSocket', () => {
  const open = (server: TestServer) => {
    const socket = createWSClient({ url: server.wsUrl, retryDelayMs: () => 1 });
    const semel = createSemelClient({ retry: { baseMs: 20 } });
    const client = createTRPCClient<TestRouter>({
      links: [
        splitLink({
          condition: (op) => op.type === 'subscription',
          true: wsLink<TestRouter>({ client: socket, transformer: superjson }),
          false: [
            semel.link({ carrier: 'envelope' }),
            wsLink<TestRouter>({ client: socket, transformer: superjson }),
          ],
        }),
      ],
    });
    return { client, semel, [Symbol.asyncDispose]: () => socket.close() };
  };

  it('carries the key in the input, which the handler never sees', async () => {
    await using server = await startServer();
    await using socket = open(server);
    const outcome = await outcomeOf(() =>
      socket.client.orders.create.mutate({ sku: 'a', at }, { context: { idempotencyKey: 'k' } }),
    );
    expect(outcome).toEqual({
      status: 'completed',
      data: { id: 'order-1', sku: 'a', at },
      replayed: undefined,
      key: 'k',
    });
    expect(server.executions).toEqual([{ path: 'orders.create', key: 'k' }]);
    expect(await socket.client.ping.query()).toBe('pong');
  });

  it('sends the same key again when the socket is lost under a call', async () => {
    await using server = await startServer();
    const release = server.hold();
    await using socket = open(server);
    const order = socket.client.orders.create.mutate({ sku: 'a' });
    while (server.executions.length === 0) await new Promise((resolve) => setImmediate(resolve));
    for (const each of server.sockets) each.terminate();
    release();
    expect(await order).toMatchObject({ id: 'order-1' });
    expect(server.executions).toHaveLength(1);
  });
});
