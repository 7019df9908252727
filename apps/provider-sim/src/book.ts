import type { Changes, Charge, PaymentIntent, Refund } from './objects.ts';

/** All objects of one account, in memory; the journal makes them last. */
export interface Book {
  readonly intents: ReadonlyMap<string, PaymentIntent>;
  readonly charges: ReadonlyMap<string, Charge>;
  readonly refunds: ReadonlyMap<string, Refund>;
  apply(changes: Changes): void;
}

export function createBook(): Book {
  const intents = new Map<string, PaymentIntent>();
  const charges = new Map<string, Charge>();
  const refunds = new Map<string, Refund>();
  return {
    intents,
    charges,
    refunds,
    apply({ intent, charge, refund }) {
      if (intent) intents.set(intent.id, intent);
      if (charge) charges.set(charge.id, charge);
      if (refund) refunds.set(refund.id, refund);
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

export const countFromCharge = (charge: Charge): ChargeCount => ({
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
