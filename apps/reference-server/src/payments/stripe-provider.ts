import Stripe from 'stripe';
import { type ChargeAnswer, type ChargeOrder, type PaymentProvider, ProviderFailure } from './provider.ts';

export interface StripeProviderOptions {
  readonly apiKey: string;
  /** @default Stripe's own address */
  readonly url?: string | undefined;
  /** Of one attempt. */
  readonly timeoutMs: number;
  /** Repetitions by the client itself, under the same key. */
  readonly retries: number;
}

/** The real `stripe` client. Its retries and timeouts stay below the operation's lease (settings check that). */
export function createStripeProvider({
  apiKey,
  url,
  timeoutMs,
  retries,
}: StripeProviderOptions): PaymentProvider {
  const stripe = new Stripe(apiKey, {
    ...(url !== undefined && addressFrom(url)),
    timeout: timeoutMs,
    maxNetworkRetries: retries,
    telemetry: false,
  });
  return {
    name: 'stripe',
    async charge(order, idempotencyKey) {
      try {
        const intent = await stripe.paymentIntents.create(paramsFrom(order), { idempotencyKey });
        return answerFromIntent(intent);
      } catch (error) {
        return answerFromError(error);
      }
    },
    async payOut({ payoutId, amount, currency, destination }, idempotencyKey) {
      const metadata = { reference: payoutId };
      const params = { amount, currency: currency.toLowerCase(), destination, metadata };
      try {
        const { id } = await stripe.payouts.create(params, { idempotencyKey });
        return { kind: 'sent', providerRef: id };
      } catch (error) {
        return { kind: 'refused', code: answerFromError(error).code };
      }
    },
  };
}

function addressFrom(url: string) {
  const { protocol, hostname, port } = new URL(url);
  const scheme = protocol === 'http:' ? 'http' : 'https';
  return {
    protocol: scheme,
    host: hostname,
    port: port === '' ? (scheme === 'http' ? 80 : 443) : Number(port),
  } as const;
}

const paramsFrom = (order: ChargeOrder): Stripe.PaymentIntentCreateParams => ({
  amount: order.amount,
  currency: order.currency.toLowerCase(),
  customer: order.customer,
  confirm: true,
  off_session: true,
  capture_method: order.capture,
  metadata: { reference: order.reference, payment_id: order.paymentId },
});

/** Where a confirmed intent stands. `declined`: confirmed, and still without a charge. */
const STANDS: Readonly<
  Record<Stripe.PaymentIntent.Status, Extract<ChargeAnswer, { kind: 'charged' }>['state'] | 'declined'>
> = {
  succeeded: 'captured',
  requires_capture: 'authorized',
  processing: 'processing',
  requires_action: 'requires_action',
  requires_payment_method: 'declined',
  requires_confirmation: 'declined',
  canceled: 'declined',
};

function answerFromIntent(intent: Stripe.Response<Stripe.PaymentIntent>): ChargeAnswer {
  const { id: providerRef, status } = intent;
  const state = STANDS[status];
  if (state === 'declined')
    return { kind: 'declined', code: intent.last_payment_error?.code ?? status, providerRef };
  // A status that a later version of their API may bring is not for us to guess about.
  if (state === undefined)
    throw new ProviderFailure('no_answer', new Error(`Unknown status ${String(status)}`));
  return {
    kind: 'charged',
    state,
    providerRef,
    isReplay: intent.lastResponse.headers['idempotent-replayed'] === 'true',
  };
}

/** Which errors are answers. The rest leave open what happened, so they must not pass for a "no". */
function answerFromError(error: unknown): Exclude<ChargeAnswer, { kind: 'charged' }> {
  const { errors } = Stripe;
  if (error instanceof errors.StripeCardError) {
    const code = error.code ?? 'card_declined';
    return { kind: 'declined', code, providerRef: error.payment_intent?.id ?? null };
  }
  // A key that was used for another request is no verdict on ours: an earlier attempt may have charged.
  if (error instanceof errors.StripeIdempotencyError) throw new ProviderFailure('no_answer', error);
  if (
    error instanceof errors.StripeInvalidRequestError &&
    (error.statusCode === 400 || error.statusCode === 404)
  ) {
    return { kind: 'invalid', code: error.code ?? 'invalid_request', field: error.param ?? null };
  }
  if (error instanceof ProviderFailure) throw error;
  const isOurs =
    error instanceof errors.StripeAuthenticationError || error instanceof errors.StripePermissionError;
  throw new ProviderFailure(isOurs ? 'misconfigured' : 'no_answer', error);
}
