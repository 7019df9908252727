import { afterEach, expect, test, vi } from 'vitest';
import { createProviderSim, type ProviderSim, type ProviderSimOptions } from './provider-sim.ts';
import { errorOf, pay, stripeFor } from './testing.ts';

const sims: ProviderSim[] = [];
const start = async (options: ProviderSimOptions = {}) => {
  const sim = await createProviderSim(options);
  sims.push(sim);
  return { sim, stripe: stripeFor(sim) };
};
afterEach(() => Promise.all(sims.splice(0).map((sim) => sim.close())));

const delivered = (sim: ProviderSim) => sim.requests().map((request) => request.delivered);

test('cus_declined is a card error without a charge, remembered and replayed', async () => {
  const { sim, stripe } = await start();
  const first = await errorOf(pay(stripe, 'cus_declined', 'k'));
  expect(first).toMatchObject({
    type: 'StripeCardError',
    statusCode: 402,
    code: 'card_declined',
    decline_code: 'generic_decline',
    payment_intent: { status: 'requires_payment_method' },
  });
  expect(first.headers?.['stripe-should-retry']).toBe('false');
  const second = await errorOf(pay(stripe, 'cus_declined', 'k'));
  expect(second.raw).toMatchObject({ payment_intent: { id: first.payment_intent?.id } });
  expect(second.headers?.['idempotent-replayed']).toBe('true');
  expect(await sim.charges()).toEqual([]);
});

test('cus_slow is charged at once and answered late; a replay is not late', async () => {
  const { sim, stripe } = await start({ slowMs: 60_000 });
  const gaveUp = await errorOf(
    stripeFor(sim, { timeout: 200 }).paymentIntents.create(
      { amount: 5, currency: 'eur', customer: 'cus_slow', confirm: true },
      { idempotencyKey: 'k' },
    ),
  );
  expect(gaveUp.type).toBe('StripeConnectionError');
  expect(await sim.charges()).toHaveLength(1);
  // The answer is still on its way, so the key is in use.
  const conflict = await errorOf(
    stripe.paymentIntents.create(
      { amount: 5, currency: 'eur', customer: 'cus_slow', confirm: true },
      { idempotencyKey: 'k' },
    ),
  );
  expect(conflict.code).toBe('idempotency_key_in_use');
});

test('cus_slow is answered after its delay', async () => {
  const { sim, stripe } = await start({ slowMs: 30 });
  expect((await pay(stripe, 'cus_slow', 'k')).status).toBe('succeeded');
  expect((await pay(stripe, 'cus_slow', 'k')).lastResponse.headers['idempotent-replayed']).toBe('true');
  expect(await sim.charges()).toHaveLength(1);
});

test('cus_lost is charged, its answer is lost once, and the retry replays it', async () => {
  const { sim } = await start();
  const stripe = stripeFor(sim, { maxNetworkRetries: 2 }); // whatever the retries: a cut body is not retried
  const lost = await errorOf(pay(stripe, 'cus_lost', 'k'));
  expect(lost.type).toBe('StripeConnectionError');
  expect(delivered(sim)).toEqual(['lost']);
  expect(await sim.charges('ref-k')).toHaveLength(1);
  const intent = await pay(stripe, 'cus_lost', 'k');
  expect(intent.status).toBe('succeeded');
  expect(intent.lastResponse.headers['idempotent-replayed']).toBe('true');
  expect(await sim.charges('ref-k')).toHaveLength(1);
});

test('a lost connection is retried once by the client itself; the caller sees it only in the header', async () => {
  const { sim, stripe } = await start({ loseHow: 'connection' });
  const intent = await pay(stripe, 'cus_lost', 'k');
  expect(intent.lastResponse.headers['idempotent-replayed']).toBe('true');
  expect(delivered(sim)).toEqual(['lost', 'sent']);
  expect(await sim.charges()).toHaveLength(1);
});

test('a connection lost twice reaches the caller', async () => {
  const { sim, stripe } = await start({ loseHow: 'connection', loseTimes: 2 });
  expect((await errorOf(pay(stripe, 'cus_lost', 'k'))).type).toBe('StripeConnectionError');
  expect(delivered(sim)).toEqual(['lost', 'lost']);
  expect((await pay(stripe, 'cus_lost', 'k')).status).toBe('succeeded');
  expect(await sim.charges()).toHaveLength(1);
});

test('cus_timeout is charged once and never answered, on retries neither; a look-up finds it', async () => {
  const { sim, stripe } = await start();
  const impatient = stripeFor(sim, { timeout: 150, maxNetworkRetries: 1 });
  const error = await errorOf(pay(impatient, 'cus_timeout', 'k'));
  expect(error.type).toBe('StripeConnectionError');
  expect(error.message).toContain('timeout');
  await vi.waitFor(() => expect(delivered(sim)).toEqual(['never', 'never']));
  expect(await sim.charges('ref-k')).toHaveLength(1);
  const { data } = await stripe.paymentIntents.list({ customer: 'cus_timeout' });
  expect(data.map((intent) => intent.status)).toEqual(['succeeded']);
});

test('cus_5xx fails twice per key without an effect, then works', async () => {
  const { sim, stripe } = await start();
  for (const key of ['a', 'b']) {
    for (let i = 0; i < 2; i++) {
      const error = await errorOf(pay(stripe, 'cus_5xx', key));
      expect(error).toMatchObject({ type: 'StripeAPIError', statusCode: 500 });
      expect(error.headers?.['stripe-should-retry']).toBe('true');
      expect(await sim.charges(`ref-${key}`)).toEqual([]);
    }
    const intent = await pay(stripe, 'cus_5xx', key);
    expect(intent.status).toBe('succeeded');
    expect(intent.lastResponse.headers['idempotent-replayed']).toBeUndefined();
    expect(await sim.charges(`ref-${key}`)).toHaveLength(1);
  }
});

test('a capture behaves as the customer of its payment', async () => {
  const { sim, stripe } = await start();
  await errorOf(pay(stripe, 'cus_lost', 'k', { capture_method: 'manual' }));
  const intent = await pay(stripe, 'cus_lost', 'k', { capture_method: 'manual' });
  const capture = () => stripe.paymentIntents.capture(intent.id, {}, { idempotencyKey: 'c' });
  expect((await errorOf(capture())).type).toBe('StripeConnectionError');
  expect((await stripe.paymentIntents.retrieve(intent.id)).status).toBe('succeeded');
  expect((await capture()).lastResponse.headers['idempotent-replayed']).toBe('true');
  expect(await sim.charges()).toHaveLength(1);
});
