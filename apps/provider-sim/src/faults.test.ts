import { afterEach, beforeEach, expect, test } from 'vitest';
import { createProviderSim, type ProviderSim } from './provider-sim.ts';
import { errorOf, pay, stripeFor } from './testing.ts';

let sim: ProviderSim;
beforeEach(async () => {
  sim = await createProviderSim();
});
afterEach(() => sim.close());

const post = async (body: string) => {
  const response = await fetch(`${sim.url}/_sim/faults`, { method: 'POST', body });
  return { status: response.status, body: await response.json() };
};

test('loseAnswers loses the next answers of any customer, after the effect', async () => {
  const stripe = stripeFor(sim);
  expect((await post('{"loseAnswers":2}')).status).toBe(200);
  expect((await errorOf(pay(stripe, 'cus_ok', 'k'))).type).toBe('StripeConnectionError');
  expect((await errorOf(pay(stripe, 'cus_ok', 'k'))).type).toBe('StripeConnectionError'); // a replay, lost too
  expect((await pay(stripe, 'cus_ok', 'k')).status).toBe('succeeded');
  expect(await sim.charges()).toHaveLength(1);
});

test('failNext fails requests without an effect and forgets them', async () => {
  const stripe = stripeFor(sim);
  await post('{"failNext":1,"status":503}');
  expect(await errorOf(pay(stripe, 'cus_ok', 'k'))).toMatchObject({ statusCode: 503 });
  expect(await sim.charges()).toEqual([]);
  const intent = await pay(stripe, 'cus_ok', 'k');
  expect(intent.lastResponse.headers['idempotent-replayed']).toBeUndefined();
});

test('failNext can mean reads only', async () => {
  const stripe = stripeFor(sim);
  await post('{"failNext":1,"on":"GET"}');
  const intent = await pay(stripe, 'cus_ok', 'k');
  expect(await errorOf(stripe.paymentIntents.retrieve(intent.id))).toMatchObject({ statusCode: 500 });
  expect((await stripe.paymentIntents.retrieve(intent.id)).id).toBe(intent.id);
});

test('an empty object heals', async () => {
  await post('{"delayMs":600000,"failNext":100,"loseAnswers":100}');
  expect(await post('{}')).toEqual({
    status: 200,
    body: { loseAnswers: 0, delayMs: 0, failNext: 0, status: 500, on: 'POST' },
  });
  expect((await pay(stripeFor(sim), 'cus_ok', 'k')).status).toBe('succeeded');
});

test.each(['{"loseAnswer":1}', '{"failNext":-1}', '{"status":200}', 'nonsense'])(
  'settings that mean nothing are refused: %s',
  async (body) => {
    expect((await post(body)).status).toBe(400);
    expect(() => sim.setFaults({ failNext: -1 })).toThrow('failNext');
  },
);

test('close does not wait for answers that are late or never come', async () => {
  sim.setFaults({ delayMs: 600_000 });
  const stripe = stripeFor(sim, { timeout: 60_000 });
  const late = errorOf(pay(stripe, 'cus_ok', 'late'));
  const never = errorOf(pay(stripe, 'cus_timeout', 'never'));
  while ((await sim.charges()).length < 2) await new Promise((resolve) => setTimeout(resolve, 2));
  await sim.close();
  expect((await late).type).toBe('StripeConnectionError');
  expect((await never).type).toBe('StripeConnectionError');
  sim = await createProviderSim(); // for afterEach
});
