import { randomBytes } from 'node:crypto';
import superjson from 'superjson';
import { expect, inject, test } from 'vitest';
import { boundedFetch } from '../fixtures/bounded-fetch.ts';
import { setStage } from './stage.ts';

const order = { amount: 5n, due: new Date(0) };
const input = superjson.serialize(order);
const headers = (key: string, user = 'alice') => ({
  'content-type': 'application/json',
  authorization: `Bearer ${user}`,
  ...(key.includes(',') ? { 'idempotency-keys': key } : { 'idempotency-key': key }),
});

test('a single call is answered 202, with the address of its status and when to ask', async () => {
  const stage = await setStage(inject('databaseUrl'));
  const server = await stage.server({ work: false });
  const body = JSON.stringify(input);
  const answer = await boundedFetch(`${server.url}/pay`, { method: 'POST', headers: headers('"k"'), body });
  const told = (await answer.json()) as { result: { data: { json: { operationId: string } } } };
  const { operationId } = told.result.data.json;
  expect(answer.status).toBe(202);
  expect(told).toStrictEqual({
    result: { data: { json: { $idempotency: 'accepted', operationId, pollAfterMs: 500 } } },
  });
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'retry-after': '1',
    'idempotency-operation': operationId,
    'cache-control': 'private, no-store',
    location: `idempotency.status?input=${encodeURIComponent(JSON.stringify({ json: { operationId } }))}`,
  });
  const location = new URL(answer.headers.get('location') ?? '', answer.url);
  const status = await boundedFetch(location, { headers: headers('"unused"') });
  expect(await status.json()).toMatchObject({
    result: { data: { json: { operationId, state: 'accepted' } } },
  });
  const theirs = await boundedFetch(location, { headers: headers('"unused"', 'bob') });
  expect(await theirs.json()).toStrictEqual({
    result: { data: { json: { state: 'not_found', operationId } } },
  });
});

test('in a batch the body alone says so, beside calls that are answered at once', async () => {
  const stage = await setStage(inject('databaseUrl'));
  const server = await stage.server({ work: false });
  const body = JSON.stringify({ 0: input, 1: input });
  const answer = await boundedFetch(`${server.url}/pay,pay?batch=1`, {
    method: 'POST',
    headers: headers('"a", "b"'),
    body,
  });
  expect([answer.status, answer.headers.get('location'), answer.headers.get('retry-after')]).toStrictEqual([
    200,
    null,
    null,
  ]);
  const accepted = {
    result: {
      data: { json: { $idempotency: 'accepted', operationId: expect.any(String), pollAfterMs: 500 } },
    },
  };
  expect(await answer.json()).toStrictEqual([accepted, accepted]);
});

test('its key under another input is key_reused, and under another principal another operation', async () => {
  const stage = await setStage(inject('databaseUrl'));
  const server = await stage.server({ work: false });
  const send = async (amount: bigint, user: string) => {
    const body = JSON.stringify(superjson.serialize({ ...order, amount }));
    const answer = await boundedFetch(`${server.url}/pay`, {
      method: 'POST',
      headers: headers('k', user),
      body,
    });
    return {
      status: answer.status,
      body: (await answer.json()) as unknown,
      id: answer.headers.get('idempotency-operation'),
    };
  };
  const first = await send(5n, 'alice');
  expect(await send(5n, 'alice')).toStrictEqual({ ...first, body: expect.anything() });
  expect(await send(6n, 'alice')).toMatchObject({
    status: 422,
    body: { error: { json: { data: { idempotency: { code: 'key_reused' } } } } },
  });
  const theirs = await send(6n, 'bob');
  expect(theirs.status).toBe(202);
  expect(theirs.id).not.toBe(first.id);
});

test('what is stored of the input is erased with the settlement', async () => {
  const stage = await setStage(inject('databaseUrl'));
  const server = await stage.server({ work: false });
  const body = JSON.stringify(input);
  const post = () => boundedFetch(`${server.url}/pay`, { method: 'POST', headers: headers('k'), body });
  const operationId = (await post()).headers.get('idempotency-operation') ?? '';
  expect(await server.store.queue.work(operationId)).toMatchObject({ principal: 'alice' });
  server.startWorker();
  await expect.poll(async () => (await post()).status, { timeout: 20_000 }).toBe(200);
  expect(await server.store.queue.work(operationId)).toBeUndefined();
});

test('with a key ring neither input, progress nor outcome is readable in the database, and all of it to the caller', async () => {
  const stage = await setStage(inject('databaseUrl'));
  const gate = Promise.withResolvers<void>();
  const server = await stage.server({
    keyRing: { current: 'k1', keys: { k1: randomBytes(32) } },
    hooks: { reached: (at) => (at === 'sent' ? gate.promise : undefined) },
  });
  const amount = 918_273_645_546_372_819n;
  const body = JSON.stringify(superjson.serialize({ ...order, amount }));
  const post = () => boundedFetch(`${server.url}/pay`, { method: 'POST', headers: headers('k'), body });
  const first = await post();
  const location = new URL(first.headers.get('location') ?? '', first.url);
  const statusNow = async () => {
    const answer = await boundedFetch(location, { headers: headers('unused') });
    return ((await answer.json()) as { result: { data: { json: Record<string, unknown> } } }).result.data
      .json;
  };
  await expect
    .poll(async () => (await statusNow()).progress, { timeout: 20_000 })
    .toStrictEqual({ done: 2, of: 3 });
  const everything = async () => {
    const tables = await stage.rows(
      "SELECT table_schema || '.' || table_name AS name FROM information_schema.tables WHERE table_schema IN ($1, $2) AND table_name <> 'payouts'",
      [stage.schema, `${stage.schema}_jobs`],
    );
    const texts = await Promise.all(
      tables.map(async ({ name }) =>
        JSON.stringify(await stage.rows(`SELECT t::text FROM ${String(name)} t`)),
      ),
    );
    return texts.join();
  };
  const before = await everything();
  expect(before).toContain(first.headers.get('idempotency-operation'));
  expect(before).not.toContain(String(amount));
  expect(before).not.toContain('done');
  gate.resolve();
  await expect.poll(async () => (await post()).status, { timeout: 20_000 }).toBe(200);
  expect(await (await post()).json()).toMatchObject({
    result: { data: { json: { amount: String(amount) } } },
  });
  expect(await everything()).not.toContain(String(amount));
});
