// Run: node --conditions=@semel/source apps/provider-sim/examples/lost-answer.ts
import { createProviderSim } from '@semel/provider-sim';
import Stripe from 'stripe';

const sim = await createProviderSim();
const stripe = new Stripe('sk_test_any', {
  host: sim.host,
  port: sim.port,
  protocol: 'http',
  telemetry: false,
});

const pay = () =>
  stripe.paymentIntents.create(
    {
      amount: 1250,
      currency: 'eur',
      customer: 'cus_lost',
      confirm: true,
      metadata: { reference: 'order-7' },
    },
    { idempotencyKey: 'order-7-charge' },
  );

const first = await pay().catch((error: Error) => error.constructor.name);
const second = await pay();
console.log('first answer: ', first);
console.log(
  'second answer:',
  second.status,
  '- replayed:',
  second.lastResponse.headers['idempotent-replayed'],
);
console.log('really charged:', (await sim.charges('order-7')).length);
await sim.close();
