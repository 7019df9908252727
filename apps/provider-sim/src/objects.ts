// Stripe's objects, reduced to the fields that this subset fills. Amounts are integer minor units.

export type IntentStatus =
  | 'requires_payment_method'
  | 'requires_confirmation'
  | 'requires_capture'
  | 'canceled'
  | 'succeeded';

export interface PaymentIntent {
  readonly id: string;
  readonly object: 'payment_intent';
  readonly amount: number;
  readonly amount_capturable: number;
  readonly amount_received: number;
  readonly canceled_at: number | null;
  readonly cancellation_reason: string | null;
  readonly capture_method: 'automatic' | 'manual';
  readonly client_secret: string;
  /** Seconds since the epoch, as everywhere in Stripe's objects. */
  readonly created: number;
  readonly currency: string;
  readonly customer: string | null;
  readonly description: string | null;
  readonly last_payment_error: object | null;
  readonly latest_charge: string | null;
  readonly livemode: false;
  readonly metadata: Readonly<Record<string, string>>;
  readonly next_action: null;
  readonly payment_method: string | null;
  readonly payment_method_types: readonly string[];
  readonly status: IntentStatus;
}

/** What really happened: one for each time that a card was charged (or an amount on it reserved). */
export interface Charge {
  readonly id: string;
  readonly object: 'charge';
  readonly amount: number;
  readonly amount_captured: number;
  readonly amount_refunded: number;
  readonly captured: boolean;
  readonly createdAtMs: number;
  readonly currency: string;
  readonly idempotencyKey: string | null;
  readonly payment_intent: string;
  readonly reference: string | null;
}

export interface Refund {
  readonly id: string;
  readonly object: 'refund';
  readonly amount: number;
  readonly charge: string;
  readonly created: number;
  readonly currency: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly payment_intent: string;
  readonly reason: string | null;
  readonly status: 'succeeded';
}

/** Money that really left: one for each time that it was sent. */
export interface Payout {
  readonly id: string;
  readonly object: 'payout';
  readonly amount: number;
  readonly created: number;
  readonly createdAtMs: number;
  readonly currency: string;
  readonly destination: string;
  readonly idempotencyKey: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly reference: string | null;
  readonly status: 'paid';
}

/** Objects as they are after a request: new ones and new versions of old ones. */
export interface Changes {
  readonly intent?: PaymentIntent;
  readonly charge?: Charge;
  readonly refund?: Refund;
  readonly payout?: Payout;
}
