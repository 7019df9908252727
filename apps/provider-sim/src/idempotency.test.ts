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

test('the same key and parameters replay the first answer', async () => {
  const { sim, stripe } = await start();
  const first = await pay(stripe, 'cus_ok', 'k');
  const second = await pay(stripe, 'cus_ok', 'k');
  expect(second).toEqual(first);
  expect(first.lastResponse.headers['idempotent-replayed']).toBeUndefined();
  expect(second.lastResponse.headers['idempotent-replayed']).toBe('true');
  expect(second.lastResponse.headers['original-request']).toBe(first.lastResponse.requestId);
  expect(await sim.charges()).toHaveLength(1);
});

test('other parameters or another endpoint under the same key are refused without an effect', async () => {
  const { sim, stripe } = await start();
  const intent = await pay(stripe, 'cus_ok', 'k', { capture_method: 'manual' });
  const params = await errorOf(pay(stripe, 'cus_ok', 'k', { amount: 9 }));
  expect(params).toMatchObject({ type: 'StripeIdempotencyError', statusCode: 400 });
  expect(params.message).toContain('same parameters');
  const endpoint = await errorOf(stripe.paymentIntents.capture(intent.id, {}, { idempotencyKey: 'k' }));
  expect(endpoint).toMatchObject({ type: 'StripeIdempotencyError', statusCode: 400 });
  expect(endpoint.message).toContain('same endpoint');
  expect((await stripe.paymentIntents.retrieve(intent.id)).status).toBe('requires_capture');
  expect(await sim.charges()).toHaveLength(1);
});

test('a key belongs to the API key that used it', async () => {
  const { sim, stripe } = await start();
  const mine = await pay(stripe, 'cus_ok', 'k');
  const theirs = await stripe.paymentIntents.create(
    { amount: 1, currency: 'usd', confirm: true },
    { idempotencyKey: 'k', apiKey: 'sk_test_two' },
  );
  expect(theirs.id).not.toBe(mine.id);
  expect(await sim.charges()).toHaveLength(2);
});

test('a key is remembered for 24 hours and then free again', async () => {
  let time = 1_700_000_000_000;
  const { sim, stripe } = await start({ now: () => time });
  await pay(stripe, 'cus_ok', 'k');
  time += 86_399_999;
  await pay(stripe, 'cus_ok', 'k');
  expect(await sim.charges()).toHaveLength(1);
  time += 1;
  await pay(stripe, 'cus_ok', 'k', { amount: 7 });
  expect(await sim.charges()).toHaveLength(2);
});

test('a key in use is a conflict that the client may retry; one charge is made', async () => {
  const { sim, stripe } = await start();
  sim.setFaults({ delayMs: 300 });
  const calls = Array.from({ length: 5 }, () => pay(stripe, 'cus_ok', 'k'));
  const settled = await Promise.allSettled(calls);
  const conflicts = settled.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  expect(conflicts).toHaveLength(4);
  for (const conflict of conflicts) {
    expect(conflict).toMatchObject({ statusCode: 409, code: 'idempotency_key_in_use' });
    expect(conflict.headers['stripe-should-retry']).toBe('true');
  }
  expect(await sim.charges()).toHaveLength(1);
});

test('twenty clients that retry conflicts all get the one payment', async () => {
  const { sim } = await start();
  const stripe = stripeFor(sim, { maxNetworkRetries: 3 });
  const intents = await Promise.all(Array.from({ length: 20 }, () => pay(stripe, 'cus_ok', 'k')));
  expect(new Set(intents.map((intent) => intent.id)).size).toBe(1);
  expect(await sim.charges()).toHaveLength(1);
});

test('a refused state is remembered, as with Stripe', async () => {
  const { stripe } = await start();
  const intent = await pay(stripe, 'cus_ok', 'k');
  const capture = () => errorOf(stripe.paymentIntents.capture(intent.id, {}, { idempotencyKey: 'c' }));
  expect((await capture()).headers?.['idempotent-replayed']).toBeUndefined();
  const replay = await capture();
  expect(replay.code).toBe('payment_intent_unexpected_state');
  expect(replay.headers?.['idempotent-replayed']).toBe('true');
});

test('a key of more than 255 characters is refused', async () => {
  const { sim, stripe } = await start();
  expect((await errorOf(pay(stripe, 'cus_ok', 'k'.repeat(256)))).statusCode).toBe(400);
  await pay(stripe, 'cus_ok', 'k'.repeat(255));
  expect(await sim.charges()).toHaveLength(1);
});
