import { afterEach, expect, test } from 'vitest';
import { createProviderSim, type ProviderSim, type ProviderSimOptions } from './provider-sim.ts';
import { errorOf, stripeFor } from './testing.ts';

const sims: ProviderSim[] = [];
const start = async (options: ProviderSimOptions = {}) => {
  const sim = await createProviderSim(options);
  sims.push(sim);
  const stripe = stripeFor(sim);
  const payOut = (destination: string, idempotencyKey: string, amount = 500) =>
    stripe.payouts.create(
      { amount, currency: 'eur', destination, metadata: { reference: idempotencyKey } },
      { idempotencyKey },
    );
  return { sim, stripe, payOut };
};
afterEach(() => Promise.all(sims.splice(0).map((sim) => sim.close())));

test('money leaves once for one key, and the count says so', async () => {
  const { sim, stripe, payOut } = await start();
  const first = await payOut('ba_ok', 'k');
  expect(await payOut('ba_ok', 'k')).toMatchObject({ id: first.id });
  expect(await stripe.payouts.retrieve(first.id)).toMatchObject({ amount: 500, status: 'paid' });
  expect(await sim.payouts('k')).toMatchObject([{ amount: 500, idempotencyKey: 'k', reference: 'k' }]);
});

test('a closed account is refused, and so is its retry', async () => {
  const { sim, payOut } = await start();
  const refused = await errorOf(payOut('ba_declined', 'k'));
  expect(refused).toMatchObject({ statusCode: 402, code: 'account_closed' });
  expect((await errorOf(payOut('ba_declined', 'k'))).headers?.['idempotent-replayed']).toBe('true');
  expect(await sim.payouts()).toEqual([]);
});

test('ba_lost sends, and its answer is lost once; ba_5xx fails twice and then sends', async () => {
  const { sim, payOut } = await start();
  expect((await errorOf(payOut('ba_lost', 'l'))).type).toBe('StripeConnectionError');
  await payOut('ba_lost', 'l');
  expect((await errorOf(payOut('ba_5xx', 'f'))).statusCode).toBe(500);
  expect((await errorOf(payOut('ba_5xx', 'f'))).statusCode).toBe(500);
  await payOut('ba_5xx', 'f');
  expect(await sim.payouts()).toHaveLength(2);
});

test('payouts survive a restart', async () => {
  const { mkdtemp, rm } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  const folder = await mkdtemp(`${tmpdir()}/payouts-`);
  const dataFile = `${folder}/provider.jsonl`;
  const first = await start({ dataFile });
  await first.payOut('ba_ok', 'k');
  await sims.splice(0)[0]?.close();
  const second = await start({ dataFile });
  expect(await second.sim.payouts('k')).toHaveLength(1);
  await rm(folder, { recursive: true });
});
