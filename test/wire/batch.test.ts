import { createMemoryStore } from '@semel/server';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { boundedFetch } from '../fixtures/bounded-fetch.ts';
import { type Call, connect } from '../fixtures/carriers.ts';
import { post, startTrpcServer } from '../fixtures/trpc-server.ts';
import { size } from './situations.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Handlers answer with what they were asked and which run it was. */
async function start() {
  const store = createMemoryStore();
  const ran: unknown[] = [];
  const handler = (_: unknown, input: unknown) => {
    ran.push(input);
    return { input, run: ran.length };
  };
  const server = await startTrpcServer(store, { atomic: handler, leased: handler });
  cleanups.push(server.close);
  return { server, store, ran };
}

const BATCHING = ['batch', 'batch-stream', 'socket'] as const;

describe.each(BATCHING)('calls that leave together over %s', (carrier) => {
  async function open() {
    const started = await start();
    const client = connect(carrier, started.server);
    cleanups.push(client.close);
    return { ...started, client };
  }

  test('each call is run and replayed under its own key', async () => {
    const { client, ran } = await open();
    const calls: Call[] = [
      { path: 'atomic', input: 'a', key: 'k0' },
      { path: 'optional', input: 'b' },
      { path: 'leased', input: 'c', key: 'k2' },
    ];
    const first = await client.together(calls);
    expect(first.map(({ data }) => (data as { input: unknown }).input)).toEqual(['a', 'b', 'c']);
    const second = await client.together(calls);
    expect(second[0]?.data).toEqual(first[0]?.data);
    expect(second[2]?.data).toEqual(first[2]?.data);
    expect([...ran].map(String).toSorted()).toEqual(['a', 'b', 'b', 'c']);
  });

  test('the same keys in another order find their operations', async () => {
    const { client, ran } = await open();
    const a: Call = { path: 'atomic', input: 'a', key: 'ka' };
    const b: Call = { path: 'atomic', input: 'b', key: 'kb' };
    const [a1, b1] = await client.together([a, b]);
    const [b2, a2] = await client.together([b, a]);
    expect(a2?.data).toEqual(a1?.data);
    expect(b2?.data).toEqual(b1?.data);
    expect(ran).toHaveLength(2);
  });

  test('a refused call leaves its neighbours alone', async () => {
    const { client, ran, store } = await open();
    await client.together([{ path: 'atomic', input: 'mine', key: 'taken' }]);
    const [ok, reused, missing, invalid, fine] = await client.together([
      { path: 'atomic', input: 'a', key: 'k0' },
      { path: 'atomic', input: 'another', key: 'taken' },
      { path: 'leased', input: 'unkeyed' },
      { path: 'strict', input: { amount: -1 }, key: 'k3' },
      { path: 'leased', input: 'b', key: 'k4' },
    ]);
    expect(ok?.data).toMatchObject({ input: 'a' });
    expect(reused?.shape.data.idempotency.code).toBe('key_reused');
    expect(missing?.shape.data.idempotency.code).toBe('key_missing');
    expect(invalid?.shape.data).toMatchObject({ code: 'BAD_REQUEST', httpStatus: 400 });
    expect(fine?.data).toMatchObject({ input: 'b' });
    expect([...ran].map(String).toSorted()).toEqual(['a', 'b', 'mine']);
    expect(await size(store)).toBe(3);
  });

  test.each(['atomic', 'leased'])(
    'the same %s call twice runs once and both get the answer',
    async (path) => {
      const { client, ran, store } = await open();
      const call: Call = { path, input: 'a', key: 'k' };
      const [first, second] = await client.together([call, call]);
      expect(first?.data).toEqual({ input: 'a', run: 1 });
      expect(second?.data).toEqual({ input: 'a', run: 1 });
      expect(ran).toEqual(['a']);
      expect(await size(store)).toBe(1);
    },
  );

  test('one key for two inputs runs one of them', async () => {
    const { client, ran } = await open();
    const [first, second] = await client.together([
      { path: 'atomic', input: 'a', key: 'k' },
      { path: 'atomic', input: 'b', key: 'k' },
    ]);
    expect(first?.data).toEqual({ input: 'a', run: 1 });
    expect(second?.shape.data.idempotency.code).toBe('key_reused');
    expect(ran).toEqual(['a']);
  });

  test('one key for two procedures is two operations', async () => {
    const { client, ran, store } = await open();
    await client.together([
      { path: 'atomic', input: 'a', key: 'k' },
      { path: 'leased', input: 'a', key: 'k' },
    ]);
    expect(ran).toEqual(['a', 'a']);
    expect(await size(store)).toBe(2);
  });
});

describe('the headers of a batch', () => {
  const three: Call[] = [
    { path: 'atomic', input: 'a', key: 'k0' },
    { path: 'plain', input: 'b' },
    { path: 'leased', input: 'c', key: 'k2' },
  ];

  test('name the replayed indexes and nothing that belongs to one call', async () => {
    const { server } = await start();
    const client = connect('batch', server);
    const [first] = await client.together(three);
    expect(first?.status).toBe(200);
    expect(first?.headers?.get('idempotency-replayed')).toBe(null);
    expect(first?.headers?.get('cache-control')).toBe('private, no-store');
    const [second] = await client.together(three);
    expect(second?.headers?.get('idempotency-replayed')).toBe('0, 2');
    expect(second?.headers?.get('idempotency-operation')).toBe(null);
    const [third] = await client.together([
      { path: 'atomic', input: 'new', key: 'k5' },
      ...three.slice(0, 1),
    ]);
    expect(third?.headers?.get('idempotency-replayed')).toBe('1');
  });

  test('name the call that followed another in the same batch as replayed', async () => {
    const { server } = await start();
    const [first] = await connect('batch', server).together([three[0] as Call, three[0] as Call]);
    expect(first?.headers?.get('idempotency-replayed')).toBe('1');
  });

  test('carry no mark on a stream, which sends them before there are answers', async () => {
    const { server } = await start();
    const client = connect('batch-stream', server);
    await client.together(three);
    const [second] = await client.together(three);
    expect(second?.status).toBe(200);
    expect(second?.headers?.get('idempotency-replayed')).toBe(null);
    expect(second?.headers?.get('cache-control')).toBe('private, no-store');
  });

  test('of a batch with one call are those of a single call', async () => {
    const { server } = await start();
    const client = connect('batch', server);
    await client.together(three.slice(0, 1));
    const [again] = await client.together(three.slice(0, 1));
    expect(again?.headers?.get('idempotency-replayed')).toBe('true');
    expect(again?.headers?.get('idempotency-operation')).toMatch(/^[\w-]{22,40}$/);
  });
});

/** By hand, because no client of tRPC's sends these. */
async function postBatch(
  url: string,
  paths: readonly string[],
  headers: Record<string, string>,
  input: unknown = 'a',
) {
  const body = Object.fromEntries(paths.map((_, index) => [index, { json: input }]));
  const response = await boundedFetch(`${url}/${paths.join(',')}?batch=1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer alice', ...headers },
    body: JSON.stringify(body),
  });
  // biome-ignore lint/suspicious/noExplicitAny: the wire is what the test is about
  const answers = (await response.json()) as any[];
  return answers.map((answer) =>
    answer.error
      ? answer.error.json.data.idempotency?.code
      : (answer.result.data.json?.input ?? answer.result.data.json),
  );
}

describe('a list that the batch cannot be matched with', () => {
  const all = ['key_malformed', 'a', 'key_malformed'];
  test.each([
    { what: 'a malformed member', header: '"k0", ?0, "unterminated' },
    { what: 'a bare member', header: '"k0", ?0, k2' },
    { what: '?1', header: '"k0", ?0, ?1' },
    { what: 'an inner list', header: '"k0", ?0, ("k2")' },
    { what: 'a member with a space', header: '"k0", ?0, "two words"' },
    { what: 'a trailing comma', header: '"k0", ?0, "k2",' },
    { what: 'an empty member', header: '"k0", , "k2"' },
    { what: 'nothing', header: '' },
    { what: 'too few members', header: '"k0", ?0' },
    { what: 'too many members', header: '"k0", ?0, "k2", "k3"' },
    { what: 'a fractional age', header: '"k0";age=1.5, ?0, "k2"' },
  ])('refuses every keyed call: $what', async ({ header }) => {
    const { server, ran, store } = await start();
    expect(
      await postBatch(server.url, ['atomic', 'plain', 'optional'], { 'idempotency-keys': header }),
    ).toEqual(all);
    expect(ran).toEqual([]);
    expect(await size(store)).toBe(0);
  });

  test('a member may carry parameters', async () => {
    const { server, ran } = await start();
    const header = '"k0";age=3;other="x, y", ?0;p, "k2"';
    expect(
      await postBatch(server.url, ['atomic', 'plain', 'optional'], { 'idempotency-keys': header }),
    ).toEqual(['a', 'a', 'a']);
    expect(ran).toEqual(['a', 'a']);
  });
});

describe('more than one carrier at once is malformed', () => {
  test.each([
    { what: 'the singular header on two calls', headers: { 'idempotency-key': '"k"' }, input: 'a' },
    {
      what: 'both headers',
      headers: { 'idempotency-key': '"k"', 'idempotency-keys': '"k0", "k1"' },
      input: 'a',
    },
    {
      what: 'list and envelope',
      headers: { 'idempotency-keys': '"k0", "k1"' },
      input: { $idempotency: { key: 'k' }, input: 'a' },
    },
    {
      what: 'a list of no keys, and envelope',
      headers: { 'idempotency-keys': '?0, ?0' },
      input: { $idempotency: { key: 'k' }, input: 'a' },
    },
  ])('in a batch: $what', async ({ headers, input }) => {
    const { server, ran, store } = await start();
    expect(
      await postBatch(server.url, ['atomic', 'leased'], headers as Record<string, string>, input),
    ).toEqual(['key_malformed', 'key_malformed']);
    expect(ran).toEqual([]);
    expect(await size(store)).toBe(0);
  });

  test.each([
    { what: 'both headers', headers: { 'idempotency-key': '"k"', 'idempotency-keys': '"k"' }, input: 'a' },
    {
      what: 'header and envelope',
      headers: { 'idempotency-key': '"k"' },
      input: { $idempotency: { key: 'k' }, input: 'a' },
    },
    {
      what: 'header and broken envelope',
      headers: { 'idempotency-key': '"k"' },
      input: { $idempotency: 'k', input: 'a' },
    },
  ])('on a single call: $what', async ({ headers, input }) => {
    const { server, ran, store } = await start();
    const answer = await post(server.url, 'atomic', input, headers as Record<string, string>);
    expect(answer.status).toBe(400);
    expect(answer.body.error.json.data.idempotency.code).toBe('key_malformed');
    expect(ran).toEqual([]);
    expect(await size(store)).toBe(0);
  });

  test('the list with one member is as good as the singular header on a single call', async () => {
    const { server, ran } = await start();
    const first = await post(server.url, 'atomic', 'a', { 'idempotency-keys': '"k"' });
    const second = await post(server.url, 'atomic', 'a', { 'idempotency-key': 'k' });
    expect(second.body).toEqual(first.body);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(ran).toEqual(['a']);
  });

  test('an envelope over HTTP is the same operation as the header', async () => {
    const { server, ran } = await start();
    const first = await post(server.url, 'atomic', 'a', { 'idempotency-key': 'k' });
    const second = await post(server.url, 'atomic', { $idempotency: { key: 'k' }, input: 'a' });
    expect(second.body).toEqual(first.body);
    expect(second.headers.get('cache-control')).toBe('private, no-store');
    expect(ran).toEqual(['a']);
  });
});

test.each([
  { 'idempotency-key': '"k"' },
  { 'idempotency-keys': '"k", "l"' },
  { 'idempotency-key': '"unterminated' },
  { 'idempotency-contract': '2' },
])("a socket's own headers are no call's: %j", async (headers) => {
  const { server, ran, store } = await start();
  const socket = new WebSocket(server.wsUrl, { headers });
  await new Promise((resolve) => socket.once('open', resolve));
  const ask = async (id: number, input: unknown) => {
    const answered = new Promise<string>((resolve) =>
      socket.once('message', (data: Buffer) => resolve(data.toString())),
    );
    socket.send(
      JSON.stringify({ id, method: 'mutation', params: { path: 'atomic', input: { json: input } } }),
    );
    return JSON.parse(await answered);
  };
  expect((await ask(1, 'a')).error.json.data.idempotency.code).toBe('key_missing');
  const enveloped = await ask(2, { $idempotency: { key: 'mine' }, input: 'a' });
  expect(enveloped.result.data.json).toEqual({ input: 'a', run: 1 });
  expect(ran).toEqual(['a']);
  expect((await store.lookup({ scope: 'alice', procedure: 'atomic', key: 'mine' }))?.record.state).toBe(
    'completed',
  );
  socket.terminate();
});
