import type { PaymentState } from './graph.ts';

/** One charge as the payment provider is asked for it. */
export interface ChargeOrder {
  readonly paymentId: string;
  readonly amount: number;
  readonly currency: string;
  readonly customer: string;
  readonly reference: string;
  readonly capture: 'automatic' | 'manual';
}

/** Answers: the provider has decided, and says the same to the same key for ever. Anything else is thrown. */
export type ChargeAnswer =
  | {
      readonly kind: 'charged';
      readonly state: Extract<PaymentState, 'captured' | 'authorized' | 'processing' | 'requires_action'>;
      readonly providerRef: string;
      /** The provider remembered this key: the charge is an earlier attempt's. */
      readonly isReplay: boolean;
    }
  /** The bank says no. `providerRef` names the attempt, where the provider keeps one. */
  | { readonly kind: 'declined'; readonly code: string; readonly providerRef: string | null }
  /** The provider takes offence at the request itself; nothing happened. */
  | { readonly kind: 'invalid'; readonly code: string; readonly field: string | null };

/** One transfer to a bank account as the provider is asked for it. */
export interface PayoutOrder {
  readonly payoutId: string;
  readonly amount: number;
  readonly currency: string;
  readonly destination: string;
}

export type PayoutAnswer =
  | { readonly kind: 'sent'; readonly providerRef: string }
  /** The provider says no, and will say so for ever. */
  | { readonly kind: 'refused'; readonly code: string };

export interface PaymentProvider {
  readonly name: string;
  /**
   * Charges once for one `idempotencyKey`, however often it is asked.
   * @throws ProviderFailure when there was no answer: the charge may or may not have been made
   */
  charge(order: ChargeOrder, idempotencyKey: string): Promise<ChargeAnswer>;
  /**
   * Sends money once for one `idempotencyKey`, however often it is asked.
   * @throws ProviderFailure when there was no answer: it may or may not have been sent
   */
  payOut(order: PayoutOrder, idempotencyKey: string): Promise<PayoutAnswer>;
}

/** No answer that says what happened. Asking again with the same key finds out. */
export class ProviderFailure extends Error {
  override readonly name = 'ProviderFailure';
  /** `misconfigured`: asking again helps only once somebody has changed our settings. */
  readonly reason: 'no_answer' | 'misconfigured';
  constructor(reason: 'no_answer' | 'misconfigured', cause: unknown) {
    super(
      reason === 'no_answer'
        ? 'The payment provider gave no definite answer'
        : 'The payment provider does not accept this server',
      { cause },
    );
    this.reason = reason;
  }
}
