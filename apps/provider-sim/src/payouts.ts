import { errorAnswer, missingParam, Refused } from './answer.ts';
import { amountOf, refuse } from './checks.ts';
import { objectFromParams } from './form.ts';
import type { Payout } from './objects.ts';
import type { Operation } from './operation.ts';

/**
 * `POST /v1/payouts` with `amount`, `currency` and `destination`. `ba_declined` is refused, finally; other test accounts
 * behave as the customers of their names do: `ba_slow`, `ba_lost`, `ba_timeout`, `ba_5xx`.
 */
export const createPayout: Operation = ({ params, makeId, nowMs, idempotencyKey }) => {
  const amount = amountOf(params, 'amount') ?? refuse(missingParam('amount'));
  const currency = params.get('currency') ?? refuse(missingParam('currency'));
  const destination = params.get('destination') ?? refuse(missingParam('destination'));
  if (destination === 'ba_declined') {
    const message = 'The bank account has been closed.';
    throw new Refused(
      errorAnswer(402, 'card_error', message, { code: 'account_closed', param: 'destination' }),
      true,
    );
  }
  const metadata = objectFromParams(params, 'metadata');
  const payout: Payout = {
    id: makeId('po'),
    object: 'payout',
    amount,
    created: Math.floor(nowMs / 1000),
    createdAtMs: nowMs,
    currency,
    destination,
    idempotencyKey,
    metadata,
    reference: metadata.reference ?? null,
    status: 'paid',
  };
  return { answer: { status: 200, body: payout }, changes: { payout } };
};
