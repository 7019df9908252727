import { outcomeOf } from '@semel/client';
import { expect, inject, test } from 'vitest';
import { CARRIERS, connect } from './client.ts';
import { setStage } from './stage.ts';

const order = { amount: 1n, due: new Date('2026-12-01T00:00:00Z') };
const by = { actor: 'operator:alice', reason: 'ticket 1' };
const key = { context: { idempotencyKey: 'salary-november' } };

test.each(CARRIERS)(
  '%s: cancelled work is a final refusal to its caller, with its status',
  async (carrier) => {
    const stage = await setStage(inject('databaseUrl'));
    const server = await stage.server({ work: false });
    const { api, semel } = connect(carrier, server);
    const accepted = new Promise<string>((resolve) =>
      semel.on('accepted', ({ operationId }) => resolve(operationId)),
    );
    const waiting = outcomeOf(() => api.pay.mutate(order, key));
    expect((await server.semel.decisions.cancel(await accepted, by)).kind).toBe('done');
    const outcome = await waiting;
    expect(outcome).toMatchObject({
      status: 'rejected',
      error: { data: { code: 'CONFLICT', httpStatus: 409, reason: 'CANCELLED' } },
    });
    expect(await outcomeOf(() => api.pay.mutate(order, key))).toMatchObject({
      status: 'rejected',
      error: { message: 'The operation was cancelled before it was begun' },
    });
  },
);

test("an operator's own code reaches the caller beside tRPC's, and its status decides", async () => {
  const stage = await setStage(inject('databaseUrl'));
  const server = await stage.server({
    policy: { maxAttempts: 1, backoff: { minMs: 1, maxMs: 1 } },
    hooks: {
      reached() {
        throw new Error('the bank is away');
      },
    },
  });
  const { api } = connect('httpLink', server);
  const ask = () => outcomeOf(() => api.pay.mutate(order, { context: { ...key.context } }));
  const waiting = ask();
  await expect
    .poll(() => server.events.filter(({ type }) => type === 'dead').length, { timeout: 20_000 })
    .toBe(1);
  const { operations } = await server.semel.decisions.list({ states: ['dead'] });
  const [dead] = operations;
  const resolution = { failed: { httpStatus: 402, code: 'CARD_DECLINED', message: 'The card was declined' } };
  expect((await server.semel.decisions.resolve(dead?.operationId ?? '', resolution, by)).kind).toBe('done');
  const expected = {
    status: 'rejected',
    error: {
      message: 'The card was declined',
      data: { code: 'PAYMENT_REQUIRED', httpStatus: 402, reason: 'CARD_DECLINED' },
    },
  };
  expect(await ask()).toMatchObject(expected);
  await waiting;
});
