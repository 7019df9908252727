import { errorAnswer, missingParam, noSuch, Refused } from './answer.ts';
import { amountOf, refuse } from './checks.ts';
import { objectFromParams } from './form.ts';
import type { Refund } from './objects.ts';
import type { Operation } from './operation.ts';

/** `POST /v1/refunds` with `payment_intent` (or `charge`) and an optional `amount`; without one, all that is left. */
export const createRefund: Operation = ({ params, book, makeId, nowMs }) => {
  const chargeId =
    params.get('charge') ?? book.intents.get(params.get('payment_intent') ?? '')?.latest_charge;
  const asked =
    params.get('charge') ?? params.get('payment_intent') ?? refuse(missingParam('payment_intent'));
  const charge = book.charges.get(chargeId ?? '') ?? refuse(noSuch('payment_intent', asked));
  const left = charge.amount_captured - charge.amount_refunded;
  const amount = amountOf(params, 'amount') ?? left;
  if (left <= 0 || amount > left) {
    const message =
      left <= 0
        ? `Charge ${charge.id} has already been refunded, or was never captured.`
        : `Refund amount (${amount}) is greater than unrefunded amount on charge (${left}).`;
    const code = left <= 0 ? 'charge_already_refunded' : 'amount_too_large';
    throw new Refused(errorAnswer(400, 'invalid_request_error', message, { code }), true);
  }
  const refund: Refund = {
    id: makeId('re'),
    object: 'refund',
    amount,
    charge: charge.id,
    created: Math.floor(nowMs / 1000),
    currency: charge.currency,
    metadata: objectFromParams(params, 'metadata'),
    payment_intent: charge.payment_intent,
    reason: params.get('reason') ?? null,
    status: 'succeeded',
  };
  return {
    answer: { status: 200, body: refund },
    changes: { refund, charge: { ...charge, amount_refunded: charge.amount_refunded + amount } },
  };
};
