import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createProblem } from '@semel/contract/v1/pure';
import { expect, it } from 'vitest';
import {
  type Clock,
  createSemelClient,
  HttpAnswerError,
  keyedFetch,
  memoryJournal,
  resume,
} from '../index.ts';

type Handler = (req: IncomingMessage, res: ServerResponse) => void;

async function serve(...script: Handler[]) {
  const seen: { method: string; url: string; key: string; body: string }[] = [];
  const answer = async (req: IncomingMessage, res: ServerResponse) => {
    const step = script[Math.min(seen.length, script.length - 1)] as Handler;
    let body = '';
    for await (const chunk of req) body += String(chunk);
    seen.push({
      method: req.method ?? '',
      url: req.url ?? '',
      key: String(req.headers['idempotency-key'] ?? ''),
      body,
    });
    step(req, res);
  };
  const http = createServer((req, res) => void answer(req, res));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    seen,
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}
const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Handler =>
  (_, res) =>
    void res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
const cut: Handler = (req) => void req.socket.destroy();
/** The real clock, and a night that the monotonic one doesn't see. */
function laptop() {
  let slept = 0;
  const clock: Clock = {
    now: () => Date.now() + slept,
    monotonic: () => performance.now(),
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (timer) => clearTimeout(timer as number),
  };
  return {
    clock,
    asleep(ms: number) {
      slept += ms;
    },
  };
}
const send = keyedFetch(createSemelClient({ retry: { baseMs: 1 }, inFlight: { firstMs: 1 } }));

it('sends a keyed request again until it has an answer, with the same key and body', async () => {
  await using server = await serve(
    cut,
    (_, res) => void res.writeHead(502).end('<html>'),
    json(409, createProblem('in_flight', { retryAfterMs: 1 }), { 'retry-after': '1' }),
    json(201, { id: 'order-1' }, { 'idempotency-replayed': 'true' }),
  );
  const outcome = await send(`${server.url}/v1/orders`, {
    key: 'k',
    headers: { 'content-type': 'application/json' },
    body: '{"sku":"a"}',
  });
  expect(outcome).toMatchObject({ status: 'completed', replayed: true, key: 'k' });
  if (outcome.status === 'completed') {
    expect(outcome.data.status).toBe(201);
    expect(await outcome.data.json()).toEqual({ id: 'order-1' });
  }
  expect(server.seen.map(({ key }) => key)).toEqual(['"k"', '"k"', '"k"', '"k"']);
  expect(new Set(server.seen.map(({ method, body }) => `${method} ${body}`))).toEqual(
    new Set(['POST {"sku":"a"}']),
  );
});

it('takes an answer that breaks off for none', async () => {
  await using server = await serve(
    (req, res) => {
      res.writeHead(200, { 'content-length': '100' });
      res.write('{"id":', () => req.socket.destroy());
    },
    json(200, { id: 'order-1' }),
  );
  expect((await send(server.url)).status).toBe('completed');
  expect(server.seen).toHaveLength(2);
});

it('hands a refusal out as a value, with its document', async () => {
  await using server = await serve(json(422, { title: 'x', ...createProblem('key_reused') }));
  const outcome = await send(server.url, { key: 'k' });
  expect(outcome).toMatchObject({ status: 'rejected', key: 'k', problem: { code: 'key_reused' } });
  if (outcome.status === 'rejected') {
    expect(outcome.error).toBeInstanceOf(HttpAnswerError);
    expect(outcome.error).toMatchObject({ status: 422 });
  }
});

it('follows the Location of a 202, and then asks for the outcome with the same key', async () => {
  await using server = await serve(
    json(202, { $idempotency: 'accepted', operationId: 'op', pollAfterMs: 1 }, { location: '/ops/op' }),
    json(200, { state: 'processing' }),
    json(200, { state: 'completed' }),
    json(200, { id: 'payout-1' }),
  );
  const outcome = await send(`${server.url}/v1/payouts`, { key: 'k', body: 'x' });
  expect(outcome.status).toBe('completed');
  expect(server.seen.map(({ method, url, key }) => [method, url, key])).toEqual([
    ['POST', '/v1/payouts', '"k"'],
    ['GET', '/ops/op', ''],
    ['GET', '/ops/op', ''],
    ['POST', '/v1/payouts', '"k"'],
  ]);
});

it('takes a 202 of a route that isn’t ours for what it is', async () => {
  await using server = await serve((_, res) => void res.writeHead(202).end('queued'));
  expect((await send(server.url)).status).toBe('completed');
});

it('waits out a 409 that says nothing of ours, as draft-07 means it, and at the deadline tells it with its cause', async () => {
  await using server = await serve(json(409, { title: 'A request is outstanding' }), json(201, { id: 'a' }));
  expect(await send(server.url)).toMatchObject({ status: 'completed', replayed: undefined });
  expect(server.seen).toHaveLength(2);

  await using taken = await serve(json(409, { message: 'taken' }));
  const hurried = keyedFetch(
    createSemelClient({ retry: { deadlineMs: 500 }, inFlight: { firstMs: 1, factor: 1_000 } }),
  );
  const outcome = await hurried(taken.url, { key: 'k' });
  expect(outcome).toMatchObject({ status: 'in_flight', key: 'k', cause: { status: 409 } });
  expect(new Set(taken.seen.map(({ key }) => key))).toEqual(new Set(['"k"']));
});

it('takes a 409 for the answer where it is the stored one of an operation', async () => {
  await using server = await serve(json(409, { message: 'taken' }, { 'idempotency-operation': 'op' }));
  expect(await send(server.url)).toMatchObject({ status: 'rejected', error: { status: 409 } });
  expect(server.seen).toHaveLength(1);
});

it('says whether an answer was replayed only where the server is one that says so', async () => {
  const ours = { 'idempotency-operation': 'op' };
  await using server = await serve(
    json(200, {}, ours),
    json(200, {}, { ...ours, 'idempotency-replayed': 'true' }),
    json(200, {}),
  );
  const marks: unknown[] = [];
  for (let i = 0; i < 3; i++) marks.push(await send(server.url));
  expect(marks).toMatchObject([{ replayed: false }, { replayed: true }, { replayed: undefined }]);
});

it('tells the age of a key only to a server that is said to read it; to others it sends nothing past the retention', async () => {
  await using server = await serve(cut, json(200, {}), cut);
  const aged = keyedFetch(createSemelClient({ retry: { baseMs: 1 } }), undefined, { age: true });
  expect((await aged(server.url, { key: 'k' })).status).toBe('completed');
  expect(server.seen.map(({ key }) => key)).toEqual(['"k"', '"k";age=1']);

  const { clock, asleep } = laptop();
  const semel = createSemelClient({ retry: { baseMs: 1, deadlineMs: 1e9 }, retentionMs: 3_600_000, clock });
  semel.on('retry', () => asleep(3_601_000));
  expect(await keyedFetch(semel)(server.url, { key: 'k2' })).toMatchObject({
    status: 'unknown',
    reason: 'key_expired',
    key: 'k2',
  });
  expect(server.seen).toHaveLength(3);
});

it('is resumed by `send`: what became of it is told as it is, and not as done', async () => {
  await using server = await serve(
    cut,
    (_, res) => void res.writeHead(503).end(),
    json(402, {}),
    json(200, {}),
  );
  const journal = memoryJournal();
  const options = { journal, persistInput: () => true, scope: 'ann' };
  const page = createSemelClient({ ...options, retry: { maxAttempts: 1 } });
  await keyedFetch(page)(server.url, { intent: 'a', body: 'x' });
  const later = createSemelClient({ ...options, retry: { maxAttempts: 1 } });
  const again = keyedFetch(later);
  const look = async () => {
    const [one] = await resume(later, undefined, {
      send: ({ input }, context) =>
        'intent' in context ? again(server.url, { ...context, body: input as string }) : undefined,
    });
    return one?.outcome;
  };
  expect(await look()).toMatchObject({ status: 'unknown', reason: 'server' });
  expect(await look()).toMatchObject({ status: 'rejected', error: { status: 402 } });
  expect(await look()).toBeUndefined();
  expect(new Set(server.seen.slice(0, 3).map(({ key }) => key)).size).toBe(1);
});

it('stops when its signal aborts', async () => {
  await using server = await serve((_, res) => void res.writeHead(503).end());
  const user = new AbortController();
  const semel = createSemelClient({ retry: { baseMs: 60_000 }, random: () => 1 });
  semel.on('retry', () => user.abort());
  const outcome = await keyedFetch(semel)(server.url, { signal: user.signal, key: 'k' });
  expect(outcome).toMatchObject({ status: 'unknown', reason: 'aborted', key: 'k' });
  expect(server.seen).toHaveLength(1);
});

it('refuses a stream, which can’t be sent twice, and an invalid key', async () => {
  const body = new ReadableStream() as never;
  await expect(send('http://127.0.0.1:1', { body })).rejects.toThrow(TypeError);
  await expect(send('http://127.0.0.1:1', { key: 'a b' })).rejects.toThrow(/^key_malformed/);
});
