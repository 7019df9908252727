import { afterEach, expect, test } from 'vitest';
import { createProviderSim, type ProviderSim, type ProviderSimOptions } from './provider-sim.ts';
import { errorOf, pay, stripeFor } from './testing.ts';

const sims: ProviderSim[] = [];
const start = async (options: ProviderSimOptions = {}) => {
  const sim = await createProviderSim(options);
  sims.push(sim);
  return { sim, stripe: stripeFor(sim) };
};
afterEach(() => Promise.all(sims.splice(0).map((sim) => sim.close())));

test('a confirmed payment succeeds and is counted once', async () => {
  const { sim, stripe } = await start({ now: () => 1_700_000_000_500 });
  const intent = await pay(stripe, 'cus_ok', 'k1');
  expect(intent).toMatchObject({
    object: 'payment_intent',
    status: 'succeeded',
    amount: 1250,
    amount_received: 1250,
    currency: 'eur',
    customer: 'cus_ok',
    metadata: { reference: 'ref-k1' },
    created: 1_700_000_000,
  });
  expect(intent.lastResponse.requestId).toMatch(/^req_/);
  expect(intent.lastResponse.idempotencyKey).toBe('k1');
  expect(await stripe.paymentIntents.retrieve(intent.id)).toEqual(intent);
  expect(await sim.charges()).toEqual([
    {
      id: intent.latest_charge,
      amount: 1250,
      currency: 'eur',
      reference: 'ref-k1',
      idempotencyKey: 'k1',
      createdAt: '2023-11-14T22:13:20.500Z',
    },
  ]);
});

test('the count endpoint filters by reference', async () => {
  const { sim, stripe } = await start();
  await pay(stripe, 'cus_ok', 'a');
  await pay(stripe, 'cus_ok', 'b');
  const counted = await fetch(`${sim.url}/_sim/charges?reference=ref-b`).then((r) => r.json());
  expect(counted).toMatchObject([{ reference: 'ref-b', idempotencyKey: 'b' }]);
  expect(await fetch(`${sim.url}/_sim/charges?reference=none`).then((r) => r.json())).toEqual([]);
  expect(await fetch(`${sim.url}/_sim/health`).then((r) => r.json())).toEqual({ ok: true });
});

test('manual capture: reserve, capture a part, refund in parts, and no more than was captured', async () => {
  const { sim, stripe } = await start();
  const intent = await pay(stripe, 'cus_ok', 'k', { capture_method: 'manual' });
  expect(intent).toMatchObject({ status: 'requires_capture', amount_capturable: 1250, amount_received: 0 });
  const early = await errorOf(stripe.refunds.create({ payment_intent: intent.id }));
  expect(early).toMatchObject({ statusCode: 400, code: 'charge_already_refunded' });

  const captured = await stripe.paymentIntents.capture(intent.id, { amount_to_capture: 1000 });
  expect(captured).toMatchObject({ status: 'succeeded', amount_capturable: 0, amount_received: 1000 });
  const again = await errorOf(stripe.paymentIntents.capture(intent.id));
  expect(again).toMatchObject({ statusCode: 400, code: 'payment_intent_unexpected_state' });

  const refund = await stripe.refunds.create({ payment_intent: intent.id, amount: 400 });
  expect(refund).toMatchObject({ object: 'refund', amount: 400, status: 'succeeded', currency: 'eur' });
  expect(await stripe.refunds.retrieve(refund.id)).toEqual(refund);
  const tooMuch = await errorOf(stripe.refunds.create({ payment_intent: intent.id, amount: 601 }));
  expect(tooMuch).toMatchObject({ statusCode: 400, code: 'amount_too_large' });
  expect((await stripe.refunds.create({ payment_intent: intent.id })).amount).toBe(600);
  expect(await sim.charges()).toHaveLength(1);
});

test('a reserved amount can be cancelled, and a cancelled one not captured', async () => {
  const { stripe } = await start();
  const intent = await pay(stripe, 'cus_ok', 'k', { capture_method: 'manual' });
  const canceled = await stripe.paymentIntents.cancel(intent.id, { cancellation_reason: 'abandoned' });
  expect(canceled).toMatchObject({
    status: 'canceled',
    amount_capturable: 0,
    cancellation_reason: 'abandoned',
  });
  const error = await errorOf(stripe.paymentIntents.capture(intent.id));
  expect(error.code).toBe('payment_intent_unexpected_state');
});

test('an unconfirmed intent charges nothing until it is confirmed', async () => {
  const { sim, stripe } = await start();
  const intent = await pay(stripe, 'cus_ok', 'k', { confirm: false, payment_method: 'pm_card_visa' });
  expect(intent.status).toBe('requires_confirmation');
  expect(await sim.charges()).toEqual([]);
  expect((await stripe.paymentIntents.confirm(intent.id)).status).toBe('succeeded');
  expect(await sim.charges()).toHaveLength(1);
});

test('lists by customer with pages, and searches by metadata', async () => {
  const { stripe } = await start();
  const made = [];
  for (const key of ['a', 'b', 'c']) made.push(await pay(stripe, 'cus_ok', key));
  await pay(stripe, 'cus_other', 'd');
  const page = await stripe.paymentIntents.list({ customer: 'cus_ok', limit: 2 });
  expect(page.has_more).toBe(true);
  expect(page.data.map((intent) => intent.id)).toEqual([made[2]?.id, made[1]?.id]);
  const all = await stripe.paymentIntents
    .list({ customer: 'cus_ok', limit: 2 })
    .autoPagingToArray({ limit: 9 });
  expect(all.map((intent) => intent.metadata.reference)).toEqual(['ref-c', 'ref-b', 'ref-a']);
  const found = await stripe.paymentIntents.search({ query: "metadata['reference']:'ref-d'" });
  expect(found.data.map((intent) => intent.customer)).toEqual(['cus_other']);
});

test.each([
  [{ amount: 0 }, 'amount', 'parameter_invalid'],
  [{ amount: 1.5 }, 'amount', 'parameter_invalid'],
  [{ currency: 'euro' }, 'currency', 'parameter_invalid'],
  [{ currency: undefined }, 'currency', 'parameter_missing'],
])('refuses %o and does not remember the refusal', async (wrong, param, code) => {
  const { sim, stripe } = await start();
  const error = await errorOf(pay(stripe, 'cus_ok', 'k', wrong as object));
  expect(error).toMatchObject({ type: 'StripeInvalidRequestError', statusCode: 400, param, code });
  expect((await pay(stripe, 'cus_ok', 'k')).status).toBe('succeeded');
  expect(await sim.charges()).toHaveLength(1);
});

test('unknown objects and routes are 404, and no API key is 401', async () => {
  const { sim, stripe } = await start();
  const missing = await errorOf(stripe.paymentIntents.retrieve('pi_none'));
  expect(missing).toMatchObject({ statusCode: 404, code: 'resource_missing' });
  const route = await errorOf(stripe.customers.create({}));
  expect(route).toMatchObject({
    statusCode: 404,
    message: 'Unrecognized request URL (POST: /v1/customers).',
  });
  expect((await fetch(`${sim.url}/v1/payment_intents`)).status).toBe(401);
});

test('the same seed gives the same ids', async () => {
  const ids = [];
  for (const seed of ['s', 's', 't']) ids.push((await pay((await start({ seed })).stripe, 'cus_ok', 'k')).id);
  expect(ids[0]).toBe(ids[1]);
  expect(ids[0]).not.toBe(ids[2]);
});
