// What the client tells, refuses and writes down, over real servers.
import { createTRPCClient, httpLink } from '@trpc/client';
import { IDBDatabase, IDBFactory } from 'fake-indexeddb';
import superjson from 'superjson';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  createSemelClient,
  type Journal,
  keyedFetch,
  memoryJournal,
  outcomeOf,
  type SemelEvent,
} from './index.ts';
import { indexedDbJournal } from './indexeddb.ts';
import { MapStorage } from './test-rig/map-storage.ts';
import { openPage, until } from './test-rig/page.ts';
import { faults, startServer, type TestRouter } from './test-rig/server.ts';
import { webStorageJournal } from './web-storage.ts';

const order = { sku: 'tea' };

describe('what is written down', () => {
  it('is there before the first byte leaves, without the input', async () => {
    await using server = await startServer();
    const storage = new MapStorage();
    let written: string | null = null;
    server.fail((_req, _res, handle) => {
      written = storage.getItem(storage.key(0) ?? '');
      handle();
    });
    const { trpc } = openPage(server, { journal: webStorageJournal(storage), deployment: 'live' });
    await trpc.orders.create.mutate({ sku: 'secret' });
    const { key, createdAt, expiresAt, leaseUntil, fingerprint, ...rest } = JSON.parse(written ?? '');
    expect(rest).toEqual({
      path: 'orders.create',
      scope: 'alice',
      deployment: 'live',
      attempts: expect.any(Number),
      state: 'sending',
    });
    expect(key).toBe(server.executions[0]?.key);
    expect(expiresAt - createdAt).toBe(86_400_000);
    expect(leaseUntil - createdAt).toBeGreaterThanOrEqual(5_000);
    expect(fingerprint).toMatch(/^[a-z0-9]+$/);
    expect(storage.length).toBe(0);
  });

  it('holds the input only of procedures that opted in', async () => {
    await using server = await startServer();
    const journal = memoryJournal();
    const persistInput = (path: string) => path === 'orders.create';
    const { trpc } = openPage(server, { journal, persistInput, retry: { maxAttempts: 1 } });
    server.fail(faults.cutBefore, faults.cutBefore);
    await outcomeOf(() => trpc.orders.create.mutate(order));
    await outcomeOf(() => trpc.flaky.mutate({ failures: 0 }));
    expect(journal.list().map(({ input }) => input)).toEqual([order, undefined]);
  });

  it('with IndexedDB leaves ten mutations of a tick one request', async () => {
    await using server = await startServer();
    const indexedDB = new IDBFactory();
    const { trpc } = openPage(server, { journal: indexedDbJournal({ indexedDB }) });
    await Promise.all(Array.from({ length: 10 }, (_, i) => trpc.orders.create.mutate({ sku: `${i}` })));
    expect(server.requests).toHaveLength(1);
  });

  it('with IndexedDB takes one write before a mutation is sent, which has its first attempt in it, and one after', async () => {
    await using server = await startServer();
    const journal = indexedDbJournal({ indexedDB: new IDBFactory() });
    const { trpc, semel } = openPage(server, { journal });
    const written: unknown[] = [];
    server.fail((_req, _res, handle) => {
      void Promise.resolve(semel.journal.list()).then((records) => {
        written.push(...records);
        handle();
      });
    });
    const transactions = vi.spyOn(IDBDatabase.prototype, 'transaction');
    await trpc.orders.create.mutate(order);
    await until(async () => (await semel.journal.list()).length === 0);
    const writes = transactions.mock.calls.filter(([, mode]) => mode === 'readwrite');
    transactions.mockRestore();
    expect(written).toMatchObject([{ state: 'sending', attempts: 1 }]);
    expect(writes).toHaveLength(2);
  });
});

describe('a storage that fails', () => {
  const blocked = () => {
    const storage = new MapStorage();
    storage.blocked = true;
    return webStorageJournal(storage);
  };

  it('never blocks a payment: it goes on in memory, and an event says so', async () => {
    await using server = await startServer();
    const { trpc, events, semel } = openPage(server, { journal: blocked() });
    const click = () => outcomeOf(() => trpc.orders.create.mutate(order, { context: { intent: 'pay' } }));
    const first = await click();
    expect(first).toMatchObject({ status: 'completed' });
    expect((await click()).key).toBe(first.key);
    expect(server.executions).toHaveLength(1);
    expect(events).toContainEqual(
      expect.objectContaining({
        type: 'journal_error',
        error: expect.objectContaining({ name: 'SecurityError' }),
      }),
    );
    await semel.purge();
    expect(await semel.pending()).toEqual([]);
  });

  it.each([
    ['blocked storage', blocked],
    [
      'a journal that throws',
      (): Journal => ({ ...memoryJournal(), claim: () => Promise.reject(new Error('no')) }),
    ],
  ])('blocks it where durability is required: %s', async (_, journal) => {
    await using server = await startServer();
    const { trpc } = openPage(server, { journal: journal(), durability: 'required' });
    const outcome = await outcomeOf(() => trpc.orders.create.mutate(order, { context: { intent: 'pay' } }));
    expect(outcome).toMatchObject({
      status: 'rejected',
      error: { message: 'journal_unavailable: nothing was sent' },
    });
    expect(server.requests).toHaveLength(0);
  });
});

describe('a developer is told, once, of', () => {
  beforeEach(() => void vi.spyOn(console, 'warn').mockImplementation(() => {}));
  afterEach(() => void vi.restoreAllMocks());

  it('a key on a query, which is ignored', async () => {
    await using server = await startServer();
    const { trpc, events } = openPage(server);
    await trpc.ping.query(undefined, { context: { idempotencyKey: 'k' } });
    await trpc.ping.query(undefined, { context: { intent: 'look' } });
    expect(events).toEqual([{ type: 'misuse', code: 'key_on_query', path: 'ping' }]);
    expect(vi.mocked(console.warn).mock.calls).toEqual([['semel: key_on_query (ping)']]);
    expect(server.requests[0]?.headers['idempotency-key']).toBeUndefined();
  });

  it('a journal without a scope', async () => {
    await using server = await startServer();
    const events: SemelEvent[] = [];
    const semel = createSemelClient({
      journal: webStorageJournal(new MapStorage()),
      onEvent: (event) => events.push(event),
    });
    await keyedFetch(semel)(`${server.url}/ping`, { method: 'GET' });
    expect(events[0]).toMatchObject({ type: 'misuse', code: 'missing_scope' });
  });

  it('headers that aren’t wired', async () => {
    await using server = await startServer();
    const events: SemelEvent[] = [];
    const semel = createSemelClient({ onEvent: (event) => events.push(event) });
    const trpc = createTRPCClient<TestRouter>({
      links: [semel.link(), httpLink({ url: server.url, transformer: superjson })],
    });
    await outcomeOf(() => trpc.orders.create.mutate(order));
    expect(events).toContainEqual({ type: 'misuse', code: 'headers_not_wired', path: 'orders.create' });
  });

  it('nothing in production but by its event', async () => {
    await using server = await startServer();
    vi.stubEnv('NODE_ENV', 'production');
    const { trpc, types } = openPage(server);
    await trpc.ping.query(undefined, { context: { idempotencyKey: 'k' } });
    expect(types()).toEqual(['misuse']);
    expect(console.warn).not.toHaveBeenCalled();
    vi.unstubAllEnvs();
  });
});

describe('events', () => {
  it('tell of the progress of accepted work, each time it was asked for', async () => {
    await using server = await startServer();
    const { trpc, events, semel } = openPage(server, { scope: 'alice' });
    let asked = 0;
    semel.on('progress', () => void (++asked === 2 && server.finishPayouts()));
    await trpc.payouts.create.mutate(order, { context: { intent: 'payout' } });
    const progress = events.filter(({ type }) => type === 'progress');
    expect(progress.map((event) => event.type === 'progress' && event.state)).toEqual([
      'accepted',
      'accepted',
      'completed',
    ]);
    expect(progress[0]).toMatchObject({
      path: 'payouts.create',
      intent: 'payout',
      operationId: expect.stringMatching(/^op-/),
    });
  });

  it('carry path, key and intent, and neither input nor output', async () => {
    await using server = await startServer();
    const { trpc, events } = openPage(server);
    await trpc.orders.create.mutate({ sku: 'secret' }, { context: { intent: 'pay' } });
    expect(events).toMatchObject([
      { type: 'attempt', path: 'orders.create', intent: 'pay', attempt: 1 },
      { type: 'settled', path: 'orders.create', intent: 'pay', status: 'completed', attempts: 1 },
    ]);
    expect(JSON.stringify(events)).not.toContain('secret');
  });
});

describe('keyedFetch with an intent', () => {
  it('joins a double click, gives each click a body of its own, and replays the next', async () => {
    await using server = await startServer();
    const { semel } = openPage(server);
    let served = 0;
    const keys: (string | null)[] = [];
    const send = keyedFetch(semel, async (_, init) => {
      served += 1;
      keys.push(new Headers(init?.headers).get('idempotency-key'));
      return Response.json({ id: 'order-1' });
    });
    const click = () =>
      send('https://shop.example/v1/orders', { intent: semel.intent('pay', [1]), body: '{"sku":"a"}' });
    const outcomes = [...(await Promise.all([click(), click()])), await click()];
    for (const outcome of outcomes) {
      if (outcome.status !== 'completed') throw new Error(outcome.status);
      expect(await outcome.data.json()).toEqual({ id: 'order-1' });
    }
    expect(served).toBe(2);
    expect(keys[1]).toBe(keys[0]);
    const changed = await send('https://shop.example/v1/orders', {
      intent: semel.intent('pay', [1]),
      body: '{"sku":"b"}',
    });
    expect(changed).toMatchObject({ status: 'rejected', error: { code: 'intent_conflict' } });
    expect(served).toBe(2);
  });
});

it('a page that is killed while the database still writes has sent nothing, or is found by the next', async () => {
  await using server = await startServer();
  const indexedDB = new IDBFactory();
  for (let round = 0; round < 20; round++) {
    const context = { intent: `round-${round}` };
    const page = openPage(server, { journal: indexedDbJournal({ indexedDB }) });
    void outcomeOf(() => page.trpc.orders.create.mutate(order, { context }));
    for (let wait = 0; wait < round % 10; wait++) await new Promise((resolve) => setImmediate(resolve));
    page.kill();
    const reloaded = openPage(server, { journal: indexedDbJournal({ indexedDB }) });
    const outcome = await outcomeOf(() => reloaded.trpc.orders.create.mutate(order, { context }));
    expect(outcome.status).toBe('completed');
  }
  await until(() => server.executions.length >= 20);
  expect(server.executions).toHaveLength(20);
});
