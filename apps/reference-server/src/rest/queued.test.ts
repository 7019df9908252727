import { createMemoryJobs, createMemoryStore, createSemel } from '@semel/server';
import { createWorker, trpcIdempotency } from '@semel/server/trpc';
import { TRPCError } from '@trpc/server';
import fastify from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Authentication } from '../access/authenticate.ts';
import { idempotencyRouter } from '../procedures/idempotency.ts';
import type { Parts } from '../procedures/parts.ts';
import { permitted, t } from '../procedures/trpc.ts';
import { addRest } from './rest.ts';

// The routes of queued procedures, with procedures of this test's own behind them.
const merchant = (tenantId: string): Authentication =>
  ({ kind: 'known', principal: { tenantId, roles: ['merchant'] } }) as unknown as Authentication;

const gate = Promise.withResolvers<void>();
const jobs = createMemoryJobs();
const semel = createSemel({ store: createMemoryStore(), jobs, recovery: false });
const idempotent = trpcIdempotency({
  semel,
  scope: (ctx: { principal?: { tenantId: string } }) => ctx.principal?.tenantId,
});
const transfer = z.object({ amount: z.number().int().positive() });
const router = t.router({
  idempotency: idempotencyRouter({ idempotent } as unknown as Parts),
  transfers: idempotent(permitted('create'))
    .meta({
      idempotency: { mode: 'queued' },
      rest: { method: 'POST', path: '/v1/transfers', status: 201, summary: 'Sends money' },
    })
    .input(transfer)
    .output(transfer.extend({ id: z.string() }))
    .mutation(async ({ input }) => {
      if (input.amount === 13) throw new TRPCError({ code: 'PAYMENT_REQUIRED', message: 'account closed' });
      await gate.promise;
      return { id: 'tr_1', ...input };
    }),
});
const app = fastify();
let tenant = 'acme';
let url: string;
let worker: ReturnType<typeof createWorker>;

beforeAll(async () => {
  app.decorateRequest('authentication');
  app.addHook('onRequest', async (request) => {
    request.authentication = merchant(tenant);
  });
  await addRest(app, { router, idempotent, bodyLimitBytes: 1_000, onError: () => undefined });
  url = await app.listen({ port: 0, host: '127.0.0.1' });
  worker = createWorker({
    semel,
    router,
    createContext: ({ principal }) => ({
      authenticate: async () => merchant(principal),
      isOverLimit: async () => undefined,
    }),
  });
});
afterAll(async () => {
  gate.resolve();
  await worker.close(1_000);
  await app.close();
  await semel.close();
});

async function post(key: string, amount: number) {
  const answer = await fetch(`${url}/v1/transfers`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify({ amount }),
  });
  const body = (await answer.json()) as Record<string, unknown>;
  return { status: answer.status, headers: Object.fromEntries(answer.headers), body };
}

test('a queued route answers 202 with Location, Retry-After and the accepted body, and 201 once it is done', async () => {
  const first = await post('k', 7);
  const { operationId } = first.body;
  expect(first.status).toBe(202);
  expect(first.body).toStrictEqual({
    $idempotency: 'accepted',
    operationId: expect.any(String),
    pollAfterMs: 500,
  });
  expect(first.headers).toMatchObject({
    location: `/idempotency/operations/${String(operationId)}`,
    'retry-after': '1',
    'idempotency-operation': operationId,
    'cache-control': 'private, no-store',
    'content-type': 'application/json; charset=utf-8',
  });

  const again = await post('"k"', 7);
  expect([again.status, again.body.operationId]).toStrictEqual([202, operationId]);
  expect(await post('k', 8)).toMatchObject({ status: 422, body: { code: 'key_reused' } });
  const status = await fetch(new URL(first.headers.location ?? '', url));
  expect(await status.json()).toMatchObject({ operationId, procedure: 'transfers' });
  expect(status.headers.get('location')).toBeNull();
  tenant = 'globex';
  expect(await (await fetch(status.url)).json()).toStrictEqual({ state: 'not_found', operationId });
  tenant = 'acme';

  gate.resolve();
  await expect.poll(async () => (await post('k', 7)).status).toBe(201);
  const done = await post('k', 7);
  expect(done.body).toStrictEqual({ id: 'tr_1', amount: 7 });
  expect(done.headers).toMatchObject({
    'idempotency-replayed': 'true',
    'idempotency-operation': operationId,
  });
  expect(done.headers.location).toBeUndefined();
});

test('a final failure of queued work is a problem document under its own status', async () => {
  expect((await post('declined', 13)).status).toBe(202);
  await expect.poll(async () => (await post('declined', 13)).status).toBe(402);
  expect(await post('declined', 13)).toMatchObject({
    headers: { 'content-type': 'application/problem+json; charset=utf-8', 'idempotency-replayed': 'true' },
    body: { status: 402, code: 'PAYMENT_REQUIRED', detail: 'account closed' },
  });
});

test('a queued route without a key, or with an input that is not valid, queues nothing', async () => {
  expect((await post('invalid', 0)).status).toBe(400);
  const keyless = await fetch(`${url}/v1/transfers`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"amount":1}',
  });
  expect([keyless.status, await keyless.json()]).toMatchObject([400, { code: 'key_missing' }]);
});
