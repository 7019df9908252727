import { errorAnswer, missingParam, noSuch, Refused } from './answer.ts';
import { amountOf, invalid, refuse } from './checks.ts';
import { objectFromParams } from './form.ts';
import type { Charge, IntentStatus, PaymentIntent } from './objects.ts';
import type { Call, Done, Operation } from './operation.ts';

export const createIntent: Operation = (call) => {
  const { params, makeId, nowMs } = call;
  const amount = amountOf(params, 'amount') ?? refuse(missingParam('amount'));
  const currency = params.get('currency')?.toLowerCase() ?? refuse(missingParam('currency'));
  if (!/^[a-z]{3}$/.test(currency)) invalid('currency', `Invalid currency: ${currency}.`);
  const capture = params.get('capture_method') ?? 'automatic';
  if (!/^(automatic|automatic_async|manual)$/.test(capture)) {
    invalid('capture_method', `Invalid capture_method: ${capture}.`);
  }
  const id = makeId('pi');
  const paymentMethod = params.get('payment_method') ?? null;
  const intent: PaymentIntent = {
    id,
    object: 'payment_intent',
    amount,
    amount_capturable: 0,
    amount_received: 0,
    canceled_at: null,
    cancellation_reason: null,
    capture_method: capture === 'manual' ? 'manual' : 'automatic',
    client_secret: makeId(`${id}_secret`),
    created: Math.floor(nowMs / 1000),
    currency,
    customer: params.get('customer') ?? null,
    description: params.get('description') ?? null,
    last_payment_error: null,
    latest_charge: null,
    livemode: false,
    metadata: objectFromParams(params, 'metadata'),
    next_action: null,
    payment_method: paymentMethod,
    payment_method_types: ['card'],
    status: paymentMethod ? 'requires_confirmation' : 'requires_payment_method',
  };
  return params.get('confirm') === 'true' ? charge(intent, call) : answered(intent);
};

export const confirmIntent: Operation = (call, id) =>
  charge(inStatus(call, id, 'confirm', ['requires_confirmation', 'requires_payment_method']), call);

export const captureIntent: Operation = (call, id) => {
  const intent = inStatus(call, id, 'capture', ['requires_capture']);
  const amount = amountOf(call.params, 'amount_to_capture') ?? intent.amount_capturable;
  if (amount > intent.amount_capturable) {
    const message = `The amount to capture (${amount}) is greater than the capturable amount (${intent.amount_capturable}).`;
    throw new Refused(errorAnswer(400, 'invalid_request_error', message, { code: 'amount_too_large' }), true);
  }
  const reserved = call.book.charges.get(intent.latest_charge ?? '');
  return answered(
    { ...intent, amount_capturable: 0, amount_received: amount, status: 'succeeded' },
    reserved && { ...reserved, amount_captured: amount, captured: true },
  );
};

export const cancelIntent: Operation = (call, id) => {
  const intent = inStatus(call, id, 'cancel', [
    'requires_payment_method',
    'requires_confirmation',
    'requires_capture',
  ]);
  const reserved = call.book.charges.get(intent.latest_charge ?? '');
  return answered(
    {
      ...intent,
      amount_capturable: 0,
      canceled_at: Math.floor(call.nowMs / 1000),
      cancellation_reason: call.params.get('cancellation_reason') ?? null,
      status: 'canceled',
    },
    reserved && { ...reserved, amount_refunded: reserved.amount },
  );
};

/** The one place where money moves. `cus_declined` has a card that the bank refuses. */
function charge(intent: PaymentIntent, { makeId, nowMs, idempotencyKey }: Call): Done {
  if (intent.customer === 'cus_declined') {
    const declined = { type: 'card_error', code: 'card_declined', decline_code: 'generic_decline' } as const;
    const message = 'Your card was declined.';
    const failed: PaymentIntent = {
      ...intent,
      last_payment_error: { ...declined, message },
      status: 'requires_payment_method',
    };
    const { type, ...fields } = declined;
    return {
      answer: errorAnswer(402, type, message, { ...fields, payment_intent: failed }),
      changes: { intent: failed },
    };
  }
  const isManual = intent.capture_method === 'manual';
  const made: Charge = {
    id: makeId('ch'),
    object: 'charge',
    amount: intent.amount,
    amount_captured: isManual ? 0 : intent.amount,
    amount_refunded: 0,
    captured: !isManual,
    createdAtMs: nowMs,
    currency: intent.currency,
    idempotencyKey,
    payment_intent: intent.id,
    reference: intent.metadata.reference ?? null,
  };
  return answered(
    {
      ...intent,
      amount_capturable: isManual ? intent.amount : 0,
      amount_received: isManual ? 0 : intent.amount,
      last_payment_error: null,
      latest_charge: made.id,
      status: isManual ? 'requires_capture' : 'succeeded',
    },
    made,
  );
}

const answered = (intent: PaymentIntent, made?: Charge): Done => ({
  answer: { status: 200, body: intent },
  changes: { intent, ...(made && { charge: made }) },
});

function inStatus(call: Call, id: string, verb: string, allowed: readonly IntentStatus[]): PaymentIntent {
  const intent = call.book.intents.get(id) ?? refuse(noSuch('payment_intent', id));
  if (allowed.includes(intent.status)) return intent;
  const message = `You cannot ${verb} this PaymentIntent because it has a status of ${intent.status}. Only a PaymentIntent with one of the following statuses may be used: ${allowed.join(', ')}.`;
  throw new Refused(
    errorAnswer(400, 'invalid_request_error', message, {
      code: 'payment_intent_unexpected_state',
      payment_intent: intent,
    }),
    true,
  );
}
