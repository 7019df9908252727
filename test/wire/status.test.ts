import { type OperationStatus, parseIdempotencyProblem } from '@semel/contract/v1/pure';
import { createMemoryStore } from '@semel/server';
import superjson from 'superjson';
import { afterEach, describe, expect, test } from 'vitest';
import { boundedFetch } from '../fixtures/bounded-fetch.ts';
import { startTrpcServer } from '../fixtures/trpc-server.ts';
import { elsewhere, START, stage } from './situations.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start() {
  const clock = { now: START };
  const store = createMemoryStore({ clock: () => clock.now });
  const server = await startTrpcServer(store);
  cleanups.push(server.close);
  const ask = async (input: unknown, user = 'alice') => {
    const query = encodeURIComponent(JSON.stringify(superjson.serialize(input)));
    const response = await boundedFetch(`${server.url}/idempotency.status?input=${query}`, {
      headers: { authorization: `Bearer ${user}` },
    });
    const body = (await response.json()) as { result?: { data: { json: OperationStatus } } };
    return { status: response.status, headers: response.headers, data: body.result?.data.json };
  };
  const claim = async () => {
    const result = await store.claim(elsewhere('leased', { n: 1 }));
    if (!result.won) throw new Error('the plant was refused');
    return result.claim;
  };
  return { store, clock, ask, claim };
}

describe('the status query', () => {
  test('of a running operation says how long to wait, by id and by key', async () => {
    const { ask, claim } = await start();
    await claim();
    const expected = {
      operationId: 'planted',
      procedure: 'leased',
      state: 'processing',
      attempt: 1,
      createdAt: '2027-01-15T08:00:00.000Z',
      updatedAt: '2027-01-15T08:00:00.000Z',
      retryAfterMs: 1000,
      transitions: [
        {
          seq: 1,
          from: null,
          to: 'processing',
          attempt: 1,
          at: '2027-01-15T08:00:00.000Z',
          cause: 'claimed',
        },
      ],
    };
    expect((await ask({ operationId: 'planted' })).data).toEqual(expected);
    expect((await ask({ procedure: 'leased', key: 'k' })).data).toEqual(expected);
  });

  test('of a settled operation carries its outcome and its end', async () => {
    const { ask, claim, store, clock } = await start();
    const held = await claim();
    clock.now += 1500;
    const outcome = '{"v":1,"ok":true,"value":{"json":{"id":"x"}}}';
    await store.settle(held, { to: 'completed', cause: 'succeeded', outcome }, { actor: 'elsewhere' });
    expect((await ask({ operationId: 'planted' })).data).toMatchObject({
      state: 'completed',
      updatedAt: '2027-01-15T08:00:01.500Z',
      expiresAt: '2027-01-16T08:00:01.500Z',
      outcome: { v: 1, ok: true, value: { json: { id: 'x' } } },
      transitions: [{ seq: 1 }, { seq: 2, from: 'processing', to: 'completed', cause: 'succeeded' }],
    });
  });

  test("another principal's operation looks like none", async () => {
    const { ask, claim } = await start();
    await claim();
    expect((await ask({ operationId: 'planted' }, 'bob')).data).toEqual({
      state: 'not_found',
      operationId: 'planted',
    });
    expect((await ask({ operationId: 'nothing' }, 'bob')).data).toEqual({
      state: 'not_found',
      operationId: 'nothing',
    });
    expect((await ask({ procedure: 'leased', key: 'k' }, 'bob')).data).toEqual({
      state: 'not_found',
      procedure: 'leased',
    });
  });

  test('is kept by no cache on the way', async () => {
    const { ask, claim } = await start();
    await claim();
    const found = await ask({ operationId: 'planted' });
    expect(found.headers.get('cache-control')).toBe('private, no-store');
    expect(found.headers.get('idempotency-operation')).toBe('planted');
    for (const user of ['alice', 'bob']) {
      const none = await ask({ operationId: user === 'alice' ? 'nothing' : 'planted' }, user);
      expect(none.headers.get('cache-control')).toBe('private, no-store');
      expect(none.headers.get('idempotency-operation')).toBe(null);
    }
  });

  test.each([{}, null, 'x', { operationId: 5 }, { procedure: 'leased' }, { key: 'k' }, []])(
    'refuses %j',
    async (input) => {
      const { ask } = await start();
      expect((await ask(input)).status).toBe(400);
    },
  );

  test('changes nothing, and is no attempt', async () => {
    const { ask, claim, store, clock } = await start();
    await claim();
    clock.now += 60_000;
    const before = await store.find('planted');
    await ask({ operationId: 'planted' });
    expect(await store.find('planted')).toEqual(before);
  });

  test('says so when the store is away, as every keyed call does', async () => {
    const { server } = await stage({ storeIsAway: true });
    cleanups.push(server.close);
    const query = encodeURIComponent('{"json":{"operationId":"x"}}');
    const response = await boundedFetch(`${server.url}/idempotency.status?input=${query}`, {
      headers: { authorization: 'Bearer alice' },
    });
    expect(response.status).toBe(503);
    expect(parseIdempotencyProblem(await response.json())).toEqual({
      contract: 1,
      code: 'store_unavailable',
      retryable: true,
      retryAfterMs: 2000,
    });
    expect(response.headers.get('retry-after')).toBe('2');
  });
});
