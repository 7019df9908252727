import { createMemoryStore } from '@semel/server';
import { TRPCError } from '@trpc/server';
import { afterEach, describe, expect, test } from 'vitest';
import { boundedFetch } from '../fixtures/bounded-fetch.ts';
import { post, startTrpcServer } from '../fixtures/trpc-server.ts';

let stop: (() => Promise<void>) | undefined;
afterEach(async () => {
  await stop?.();
  stop = undefined;
});
async function start(behaviour: Parameters<typeof startTrpcServer>[1]) {
  const server = await startTrpcServer(createMemoryStore(), behaviour);
  stop = server.close;
  return server;
}

describe.each(['atomic', 'leased'] as const)('%s mutation over a single HTTP call', (mode) => {
  test('runs once and replays the stored answer with its types and the mark', async () => {
    let runs = 0;
    const answer = { at: new Date(0), tags: new Set(['a']), big: 12345678901234567890n, none: undefined };
    const server = await start({
      [mode]: () => {
        runs++;
        return answer;
      },
    });
    const key = { 'idempotency-key': '"k-1"' };
    const first = await post(server.url, mode, { n: 1 }, key);
    const second = await post(server.url, mode, { n: 1 }, { 'idempotency-key': 'k-1' });
    expect(first.status).toBe(200);
    expect(second.status).toBe(200);
    expect(second.body).toEqual(first.body);
    expect(runs).toBe(1);
    expect(first.headers.get('idempotency-replayed')).toBe(null);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(second.headers.get('idempotency-operation')).toBe(first.headers.get('idempotency-operation'));
    expect(second.headers.get('cache-control')).toBe('private, no-store');
  });

  test('answers 422 key_reused to another input and leaves the record alone', async () => {
    const server = await start({ [mode]: () => 'done' });
    const key = { 'idempotency-key': 'k-2' };
    await post(server.url, mode, { n: 1 }, key);
    const reused = await post(server.url, mode, { n: 2 }, key);
    expect(reused.status).toBe(422);
    expect(reused.body.error.json.data.idempotency).toMatchObject({
      contract: 1,
      code: 'key_reused',
      retryable: false,
    });
    expect((await post(server.url, mode, { n: 1 }, key)).body.result.data.json).toBe('done');
  });

  test('stores a final failure and replays it as the app shaped it', async () => {
    let runs = 0;
    const server = await start({
      [mode]: () => {
        runs++;
        throw new TRPCError({ code: 'PAYMENT_REQUIRED', message: 'declined' });
      },
    });
    const key = { 'idempotency-key': 'k-3' };
    const first = await post(server.url, mode, {}, key);
    const second = await post(server.url, mode, {}, key);
    expect(first.status).toBe(402);
    expect(second.status).toBe(402);
    expect(second.body).toEqual(first.body);
    expect(runs).toBe(1);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
  });

  test('stores nothing about a transient failure: the next call runs', async () => {
    let runs = 0;
    const server = await start({
      [mode]: () => {
        if (runs++ === 0) throw new Error('db hiccup');
        return 'ok';
      },
    });
    const key = { 'idempotency-key': 'k-4' };
    expect((await post(server.url, mode, {}, key)).status).toBe(500);
    const again = await post(server.url, mode, {}, key);
    expect(again.body.result.data.json).toBe('ok');
    expect(runs).toBe(2);
  });

  test('keeps two users apart under the same key and body', async () => {
    let runs = 0;
    const server = await start({ [mode]: () => ++runs });
    const key = { 'idempotency-key': 'k-5' };
    const alice = await post(server.url, mode, {}, key);
    const bob = await post(server.url, mode, {}, { ...key, authorization: 'Bearer bob' });
    expect(alice.body.result.data.json).toBe(1);
    expect(bob.body.result.data.json).toBe(2);
    expect(bob.headers.get('idempotency-replayed')).toBe(null);
  });

  test('lets simultaneous duplicates join one run', async () => {
    let runs = 0;
    const server = await start({
      [mode]: async () => {
        runs++;
        await new Promise((r) => setTimeout(r, 30));
        return { id: 'one' };
      },
    });
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => post(server.url, mode, {}, { 'idempotency-key': 'k-6' })),
    );
    expect(runs).toBe(1);
    expect(new Set(answers.map((a) => JSON.stringify(a.body))).size).toBe(1);
    expect(answers.every((a) => a.status === 200)).toBe(true);
  });
});

describe('refusals before the claim', () => {
  test('a missing key is 400 key_missing, after authentication', async () => {
    const server = await start({});
    const missing = await post(server.url, 'atomic', {});
    expect(missing.status).toBe(400);
    expect(missing.body.error.json.data.idempotency.code).toBe('key_missing');
    const anonymous = await boundedFetch(`${server.url}/atomic`, {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json' },
    });
    expect(anonymous.status).toBe(401);
  });

  test('a malformed key is 400 even where a key is optional', async () => {
    let runs = 0;
    const server = await start({ atomic: () => ++runs });
    for (const bad of ['"unterminated', '"a", "b"', '', '(a b)', '?1', ':YWJj:']) {
      const answer = await post(server.url, 'optional', {}, { 'idempotency-key': bad });
      expect([bad, answer.status]).toEqual([bad, 400]);
      expect(answer.body.error.json.data.idempotency.code).toBe('key_malformed');
    }
    expect(runs).toBe(0);
    expect((await post(server.url, 'optional', {})).status).toBe(200);
  });

  test('an unknown contract version is refused and names the known one', async () => {
    const server = await start({});
    const answer = await post(
      server.url,
      'atomic',
      {},
      { 'idempotency-key': 'k', 'idempotency-contract': '7' },
    );
    expect(answer.status).toBe(400);
    expect(answer.body.error.json.data.idempotency.code).toBe('contract_unsupported');
    expect(answer.body.error.json.message).toContain('contract version 1');
  });

  test('input that fails its parser leaves no record: the corrected call runs under the same key', async () => {
    const server = await start({ atomic: (_, input) => input });
    const key = { 'idempotency-key': 'k-7' };
    expect((await post(server.url, 'strict', { amount: -1 }, key)).status).toBe(400);
    expect((await post(server.url, 'strict', { amount: 5 }, key)).body.result.data.json).toEqual({
      amount: 5,
    });
  });

  test('an output that fails its parser rolls back: nothing is stored', async () => {
    let runs = 0;
    const server = await start({ atomic: () => ({ amount: runs++ === 0 ? 5000 : 5 }) });
    const key = { 'idempotency-key': 'k-8' };
    expect((await post(server.url, 'strict', { amount: 5 }, key)).status).toBe(500);
    expect((await post(server.url, 'strict', { amount: 5 }, key)).body.result.data.json).toEqual({
      amount: 5,
    });
  });
});

test('the status query tells a client that knows only its key what became of the call', async () => {
  const server = await start({ atomic: () => 'done' });
  await post(server.url, 'atomic', {}, { 'idempotency-key': 'k-9' });
  const ask = async (user: string) => {
    const input = encodeURIComponent(JSON.stringify({ json: { procedure: 'atomic', key: 'k-9' } }));
    const response = await boundedFetch(`${server.url}/idempotency.status?input=${input}`, {
      headers: { authorization: `Bearer ${user}` },
    });
    // biome-ignore lint/suspicious/noExplicitAny: the wire is what the test is about
    return ((await response.json()) as any).result.data.json;
  };
  expect(await ask('alice')).toMatchObject({
    procedure: 'atomic',
    state: 'completed',
    attempt: 1,
    transitions: [{ seq: 1, from: null, to: 'completed', cause: 'succeeded' }],
  });
  expect(await ask('bob')).toEqual({ state: 'not_found', procedure: 'atomic' });
});
