import { createProviderSim, type ProviderSim } from '@semel/provider-sim';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ChargeOrder } from './provider.ts';
import { createStripeProvider } from './stripe-provider.ts';

let sim: ProviderSim;
beforeAll(async () => {
  sim = await createProviderSim({ slowMs: 50 });
});
afterAll(() => sim.close());

const provider = (settings = { timeoutMs: 2_000, retries: 0 }) =>
  createStripeProvider({ apiKey: 'sk_test_x', url: sim.url, ...settings });
const order = (customer: string, more: Partial<ChargeOrder> = {}): ChargeOrder => ({
  paymentId: 'pay_1',
  amount: 1250,
  currency: 'EUR',
  customer,
  reference: customer,
  capture: 'automatic',
  ...more,
});

test('a charge is captured, and its reference finds it at the provider', async () => {
  const answer = await provider().charge(order('cus_ok', { reference: 'invoice-7' }), 'k-ok');
  expect(answer).toMatchObject({ kind: 'charged', state: 'captured', isReplay: false });
  expect(await sim.charges('invoice-7')).toMatchObject([
    { amount: 1250, currency: 'eur', idempotencyKey: 'k-ok' },
  ]);
});

test('with manual capture it is authorized', async () => {
  expect(await provider().charge(order('cus_ok', { capture: 'manual' }), 'k-manual')).toMatchObject({
    state: 'authorized',
  });
});

test('the same key is the same charge', async () => {
  const first = await provider().charge(order('cus_slow'), 'k-same');
  const second = await provider().charge(order('cus_slow'), 'k-same');
  expect(second).toStrictEqual({ ...first, isReplay: true });
  expect(await sim.charges('cus_slow')).toHaveLength(1);
});

test('a declined card is an answer, with the reference of the attempt', async () => {
  const answer = await provider().charge(order('cus_declined'), 'k-declined');
  expect(answer).toStrictEqual({
    kind: 'declined',
    code: 'card_declined',
    providerRef: expect.stringMatching(/^pi_/),
  });
  expect(await sim.charges('cus_declined')).toStrictEqual([]);
});

test('a request that the provider takes offence at is an answer', async () => {
  expect(await provider().charge(order('cus_ok', { currency: 'E1' }), 'k-invalid')).toStrictEqual({
    kind: 'invalid',
    code: expect.any(String),
    field: 'currency',
  });
});

test('a lost answer is thrown, and the same key finds out', async () => {
  await expect(provider().charge(order('cus_lost'), 'k-lost')).rejects.toMatchObject({
    name: 'ProviderFailure',
    reason: 'no_answer',
  });
  expect(await provider().charge(order('cus_lost'), 'k-lost')).toMatchObject({
    state: 'captured',
    isReplay: true,
  });
  expect(await sim.charges('cus_lost')).toHaveLength(1);
});

test('silence is thrown after the time limit', async () => {
  const call = provider({ timeoutMs: 100, retries: 0 }).charge(order('cus_timeout'), 'k-timeout');
  await expect(call).rejects.toMatchObject({ reason: 'no_answer' });
});

test('failures without an effect are repeated by the client itself', async () => {
  expect(await provider({ timeoutMs: 2_000, retries: 2 }).charge(order('cus_5xx'), 'k-5xx')).toMatchObject({
    kind: 'charged',
  });
});

test("a key that was used for another charge is not taken for the bank's no", async () => {
  await provider().charge(order('cus_ok'), 'k-mixed');
  await expect(provider().charge(order('cus_ok', { amount: 1 }), 'k-mixed')).rejects.toMatchObject({
    reason: 'no_answer',
  });
});

test('a provider that does not accept this server is no answer either', async () => {
  sim.setFaults({ failNext: 1, status: 401 });
  await expect(provider().charge(order('cus_ok'), 'k-401')).rejects.toMatchObject({
    reason: 'misconfigured',
  });
});
