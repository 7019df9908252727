import { createMemoryStore, type IdempotencyPolicy } from '@semel/server';
import type { IdempotencyMeta } from '@semel/server/trpc';
import { initTRPC } from '@trpc/server';
import superjson from 'superjson';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { boundedFetch } from '../fixtures/bounded-fetch.ts';
import { CARRIERS, connect } from '../fixtures/carriers.ts';
import { type Context, startTrpcServer } from '../fixtures/trpc-server.ts';
import { createParts, serve } from './app.ts';
import { size } from './situations.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(policy: Partial<IdempotencyPolicy> = {}) {
  const store = createMemoryStore();
  let runs = 0;
  const server = await startTrpcServer(store, { atomic: () => ++runs, policy });
  cleanups.push(server.close);
  /** A body as it is, under the key `k`. */
  const send = async (body: string | FormData | Uint8Array<ArrayBuffer>, contentType?: string) => {
    const response = await boundedFetch(`${server.url}/atomic`, {
      method: 'POST',
      headers: {
        authorization: 'Bearer alice',
        'idempotency-key': 'k',
        ...(contentType !== undefined && { 'content-type': contentType }),
      },
      body,
    });
    // biome-ignore lint/suspicious/noExplicitAny: the wire is what the test is about
    const answer = (await response.json()) as any;
    const { message, data } = answer.error?.json ?? {};
    return { status: response.status, run: answer.result?.data.json, message, code: data?.idempotency?.code };
  };
  const sendJson = (json: unknown) => send(JSON.stringify(superjson.serialize(json)), 'application/json');
  return { server, store, send, sendJson, runs: () => runs };
}

describe('two inputs under one key', () => {
  const part = { n: 1 };

  test.each<[string, unknown, unknown]>([
    ['members in another order', { a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }],
    ['a shared reference and a copy', { x: part, y: part }, { x: { n: 1 }, y: { n: 1 } }],
  ])('that mean the same are the same: %s', async (_, first, second) => {
    const { sendJson } = await start();
    expect((await sendJson(first)).run).toBe(1);
    expect(await sendJson(second)).toMatchObject({ status: 200, run: 1 });
  });

  test.each<[string, unknown, unknown]>([
    ['0 and -0', { n: 0 }, { n: -0 }],
    ['null and absent', { n: null }, {}],
    ['undefined and absent', { n: undefined }, {}],
    ['a Date and its text', { at: new Date(0) }, { at: '1970-01-01T00:00:00.000Z' }],
    ['a bigint and a number', { n: 1n }, { n: 1 }],
    ['a Set and a list', { s: new Set([1]) }, { s: [1] }],
    ['a Map and an object', { m: new Map([['a', 1]]) }, { m: { a: 1 } }],
    ['NFC and NFD', { s: '\u00e9' }, { s: 'e\u0301' }],
    ['a list in another order', [1, 2], [2, 1]],
    ['a number and its text', { n: 1 }, { n: '1' }],
    ['nothing and null', undefined, null],
  ])('that differ are told apart: %s', async (_, first, second) => {
    const { sendJson, runs } = await start();
    expect((await sendJson(first)).run).toBe(1);
    expect(await sendJson(second)).toMatchObject({ status: 422, code: 'key_reused' });
    expect(runs()).toBe(1);
  });

  test('cannot be made to look alike by a duplicate member', async () => {
    const { send, runs } = await start();
    expect((await send('{"json":{"a":1}}', 'application/json')).run).toBe(1);
    expect((await send('{"json":{"a":1,"a":2}}', 'application/json')).code).toBe('key_reused');
    expect(runs()).toBe(1);
  });

  test('integers beyond 2^53 that JSON.parse makes equal are told apart only as bigint', async () => {
    const { sendJson } = await start();
    await sendJson({ n: 9007199254740993n });
    expect((await sendJson({ n: 9007199254740992n })).code).toBe('key_reused');
  });
});

describe("an input that has no canonical form is the caller's mistake: 400, and nothing was begun", () => {
  test.each<[string, string, string]>([
    ['a cycle', '{"json":{"a":null},"meta":{"referentialEqualities":[["a"]]}}', 'application/json'],
    ['200 levels', `{"json":${'['.repeat(200)}${']'.repeat(200)}}`, 'application/json'],
    ['20,000 levels', `{"json":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, 'application/json'],
    ['a stream', 'bytes', 'application/octet-stream'],
  ])('%s', async (_, body, contentType) => {
    const { send, store, runs } = await start();
    const answer = await send(body, contentType);
    expect(answer.status).toBe(400);
    expect(answer.message).toContain("The input can't be fingerprinted: ");
    expect(runs()).toBe(0);
    expect(await size(store)).toBe(0);
  });
});

describe('a form', () => {
  const form = (fields: Record<string, string | Blob>) => {
    const data = new FormData();
    for (const [name, value] of Object.entries(fields)) data.append(name, value);
    return data;
  };
  const texts = (input: unknown) =>
    [...(input as FormData).entries()].filter(([, value]) => typeof value === 'string');

  test('is refused in words where the policy does not pick from it', async () => {
    const { send, store } = await start();
    const answer = await send(form({ a: '1' }));
    expect(answer).toMatchObject({
      status: 400,
      message:
        "The input can't be fingerprinted: unsupported: a FormData can't be read here; fingerprint its parts with fingerprintParts, or let the policy pick other fields",
    });
    expect(await size(store)).toBe(0);
  });

  test('is one operation with the same picked fields, whatever its boundary', async () => {
    const { send } = await start({ fingerprint: texts });
    expect((await send(form({ a: '1', file: new Blob(['x']) }))).run).toBe(1);
    expect(await send(form({ a: '1', file: new Blob(['y']) }))).toMatchObject({ status: 200, run: 1 });
    expect((await send(form({ a: '2', file: new Blob(['x']) }))).code).toBe('key_reused');
  });
});

test('without a transformer, __proto__ and duplicate members make another input of it', async () => {
  const parts = createParts();
  const t = initTRPC.context<Context>().meta<IdempotencyMeta>().create();
  const router = t.router({
    pay: parts
      .idempotent(t.procedure)
      .meta({ idempotency: { mode: 'atomic' } })
      .input(z.unknown())
      .mutation(() => 'done'),
  });
  const { url } = await serve(parts, router);
  const send = async (body: string) => {
    const headers = {
      authorization: 'Bearer alice',
      'content-type': 'application/json',
      'idempotency-key': 'k',
    };
    return (await boundedFetch(`${url}/pay`, { method: 'POST', headers, body })).status;
  };
  expect(await send('{"a":1}')).toBe(200);
  expect(await send('{"a":1,"a":1}')).toBe(200);
  expect(await send('{"a":1,"__proto__":{"a":2}}')).toBe(422);
  expect(await send('{"__proto__":{"a":1}}')).toBe(422);
  expect(await send('{"a":1,"a":2}')).toBe(422);
});

test.each(CARRIERS)('over %s, an input of every type reaches the handler as it was sent', async (carrier) => {
  const store = createMemoryStore();
  const server = await startTrpcServer(store, { atomic: (_, input) => input });
  const client = connect(carrier, server);
  cleanups.push(server.close, client.close);
  const inputs = [
    undefined,
    null,
    '',
    0,
    false,
    -0,
    5n,
    new Date(5),
    new Set([1]),
    { at: new Map([['a', new Date(1)]]) },
  ];
  for (const [index, input] of inputs.entries()) {
    const call = { path: 'atomic', input, key: `k${index}` };
    expect((await client.call(call)).data).toEqual(input);
    expect((await client.call(call)).data).toEqual(input);
  }
  expect(await size(store)).toBe(10);
});
