import type { Changes, Charge, PaymentIntent, Payout, Refund } from './objects.ts';

/** All objects of one account, in memory; the journal makes them last. */
export interface Book {
  readonly intents: ReadonlyMap<string, PaymentIntent>;
  readonly charges: ReadonlyMap<string, Charge>;
  readonly refunds: ReadonlyMap<string, Refund>;
  readonly payouts: ReadonlyMap<string, Payout>;
  apply(changes: Changes): void;
}

export function createBook(): Book {
  const intents = new Map<string, PaymentIntent>();
  const charges = new Map<string, Charge>();
  const refunds = new Map<string, Refund>();
  const payouts = new Map<string, Payout>();
  return {
    intents,
    charges,
    refunds,
    payouts,
    apply({ intent, charge, refund, payout }) {
      if (intent) intents.set(intent.id, intent);
      if (charge) charges.set(charge.id, charge);
      if (refund) refunds.set(refund.id, refund);
      if (payout) payouts.set(payout.id, payout);
    },
  };
}

/** One line of `GET /_sim/charges`: fixed by the reference API. */
export interface ChargeCount {
  readonly id: string;
  readonly amount: number;
  readonly currency: string;
  readonly reference: string | null;
  readonly idempotencyKey: string | null;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
}

export const countFromCharge = (charge: Charge | Payout): ChargeCount => ({
  id: charge.id,
  amount: charge.amount,
  currency: charge.currency,
  reference: charge.reference,
  idempotencyKey: charge.idempotencyKey,
  createdAt: new Date(charge.createdAtMs).toISOString(),
});

/** Charges really made, oldest first; all of them without a reference. */
export const countCharges = (book: Book, reference?: string): ChargeCount[] =>
  [...book.charges.values()]
    .filter((charge) => reference === undefined || charge.reference === reference)
    .map(countFromCharge);

/** Payouts really made, oldest first; all of them without a reference. */
export const countPayouts = (book: Book, reference?: string): ChargeCount[] =>
  [...book.payouts.values()]
    .filter((payout) => reference === undefined || payout.reference === reference)
    .map(countFromCharge);
