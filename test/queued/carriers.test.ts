import { outcomeOf } from '@semel/client';
import { TRPCClientError } from '@trpc/client';
import { expect, expectTypeOf, inject, test } from 'vitest';
import { CARRIERS, connect } from './client.ts';
import { setStage } from './stage.ts';

const order = { amount: 12_345_678_901_234_567n, due: new Date('2026-12-01T00:00:00Z') };

test.each(CARRIERS)('%s: mutate resolves with what the worker did, in its own types', async (carrier) => {
  const stage = await setStage(inject('databaseUrl'));
  const server = await stage.server();
  const { api, events } = connect(carrier, server);
  const paid = await api.pay.mutate(order);
  expectTypeOf(paid).toEqualTypeOf<{ id: string; amount: bigint; due: Date; by: string }>();
  expect(paid).toStrictEqual({ id: expect.stringMatching(/^.{8}$/), ...order, by: 'alice' });
  expect(events.map(({ type }) => type)).toContain('accepted');
  expect(await stage.effects()).toStrictEqual({ sent: 1, payouts: 1 });
});

test.each(CARRIERS)('%s: a final failure of the worker reaches the client in its shape', async (carrier) => {
  const stage = await setStage(inject('databaseUrl'));
  const server = await stage.server();
  const { api } = connect(carrier, server);
  const error = await api.refused.mutate(order).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(TRPCClientError);
  expect(error).toMatchObject({
    message: 'account closed',
    data: { code: 'PAYMENT_REQUIRED', httpStatus: 402, path: 'refused', bank: 'AC04' },
  });
});

test.each(CARRIERS)('%s: duplicates at once are one payout, and all get it', async (carrier) => {
  const stage = await setStage(inject('databaseUrl'));
  const server = await stage.server();
  const { api } = connect(carrier, server);
  const send = () => api.pay.mutate(order, { context: { idempotencyKey: 'salary-november' } });
  const answers = await Promise.all([send(), send(), send(), send()]);
  expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
  expect(await send()).toStrictEqual(answers[0]);
  expect(await stage.effects()).toStrictEqual({ sent: 1, payouts: 1 });
});

test('a caller that went away asks again with its key and gets the one payout', async () => {
  const stage = await setStage(inject('databaseUrl'));
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const server = await stage.server({
    hooks: {
      reached(at) {
        if (at !== 'begun') return;
        begun.resolve();
        return gate.promise;
      },
    },
  });
  const { api } = connect('httpBatchLink', server);
  const gone = new AbortController();
  const first = outcomeOf(() =>
    api.pay.mutate(order, { context: { idempotencyKey: 'rent' }, signal: gone.signal }),
  );
  await begun.promise;
  gone.abort();
  expect(await first).toMatchObject({ status: 'unknown', reason: 'aborted', key: 'rent' });
  gate.resolve();
  // Another client, which knows the key alone.
  const later = connect('httpLink', server);
  expect(await later.api.pay.mutate(order, { context: { idempotencyKey: 'rent' } })).toMatchObject(order);
  expect(await stage.effects()).toStrictEqual({ sent: 1, payouts: 1 });
});

test('what fails for now is tried again until it works', async () => {
  const stage = await setStage(inject('databaseUrl'));
  const server = await stage.server();
  const { api } = connect('httpLink', server);
  expect(await api.flaky.mutate(order)).toStrictEqual({ attempts: 3 });
});

test('what is accepted while no worker runs is done when one comes', async () => {
  const stage = await setStage(inject('databaseUrl'));
  const server = await stage.server({ work: false });
  const { api } = connect('httpLink', server, { accepted: { wait: false } });
  const call = () => api.pay.mutate(order, { context: { idempotencyKey: 'early' } });
  const accepted = await outcomeOf(call);
  expect(accepted).toMatchObject({ status: 'accepted', key: 'early' });
  if (accepted.status !== 'accepted') throw new Error('unreachable');
  expect(await api.idempotency.status.query({ operationId: accepted.operationId })).toMatchObject({
    state: 'accepted',
    attempt: 0,
    retryAfterMs: expect.any(Number),
    transitions: [{ from: null, to: 'accepted', cause: 'enqueued' }],
  });
  expect(await stage.effects()).toStrictEqual({ sent: 0, payouts: 0 });
  server.startWorker();
  expect(await accepted.wait()).toMatchObject({ status: 'completed', data: order });
});

test('a right that was lost between acceptance and work refuses it for good', async () => {
  const stage = await setStage(inject('databaseUrl'));
  const banned = new Set<string>();
  const server = await stage.server({ work: false, hooks: { banned } });
  const { api } = connect('httpLink', server, { accepted: { wait: false } });
  const accepted = await outcomeOf(() => api.pay.mutate(order, { context: { idempotencyKey: 'late' } }));
  if (accepted.status !== 'accepted') throw new Error('unreachable');
  banned.add('alice');
  server.startWorker();
  const { operationId } = accepted;
  await expect
    .poll(async () => (await server.store.find(operationId))?.record.state, { timeout: 20_000 })
    .toBe('failed');
  banned.clear();
  // A 403 may be the door's, which says nothing of what was accepted. This one says that it's the stored answer.
  expect(await accepted.wait()).toMatchObject({
    status: 'rejected',
    error: { data: { code: 'FORBIDDEN', httpStatus: 403 } },
  });
  expect(await api.idempotency.status.query({ operationId })).toMatchObject({
    state: 'failed',
    outcome: { ok: false, error: { httpStatus: 403, code: 'FORBIDDEN', message: 'may not pay' } },
  });
  expect(await stage.effects()).toStrictEqual({ sent: 0, payouts: 0 });
});
