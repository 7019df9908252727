// For the tests beside this file: the real client, and errors as values.
import Stripe from 'stripe';
import type { ProviderSim } from './provider-sim.ts';

type Settings = NonNullable<ConstructorParameters<typeof Stripe>[1]>;

export const stripeFor = (sim: Pick<ProviderSim, 'host' | 'port'>, settings: Settings = {}): Stripe =>
  new Stripe('sk_test_one', {
    host: sim.host,
    port: sim.port,
    protocol: 'http',
    maxNetworkRetries: 0,
    telemetry: false,
    ...settings,
  });

export const pay = (
  stripe: Stripe,
  customer: string,
  idempotencyKey: string,
  more: Partial<Stripe.PaymentIntentCreateParams> = {},
) =>
  stripe.paymentIntents.create(
    {
      amount: 1250,
      currency: 'eur',
      customer,
      confirm: true,
      metadata: { reference: `ref-${idempotencyKey}` },
      ...more,
    },
    { idempotencyKey },
  );

/** The error that a call ends with; fails if it ends well. */
export async function errorOf(
  call: Promise<unknown>,
): Promise<InstanceType<typeof Stripe.errors.StripeError>> {
  try {
    await call;
  } catch (error) {
    if (error instanceof Stripe.errors.StripeError) return error;
    throw error;
  }
  throw new Error('expected an error');
}
