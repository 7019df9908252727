import { z } from 'zod';

/**
 * The states of a payment, as the type system sees them. The graph itself is data in `pay.edge` (migration 0003), where
 * foreign keys hold every history to it; a test compares the two.
 */
export const paymentState = z.enum([
  'created',
  'requires_action',
  'processing',
  'authorized',
  'captured',
  'settled',
  'partially_refunded',
  'refunded',
  'failed',
  'canceled',
  'expired',
  'disputed',
  'charged_back',
  'outcome_unknown',
]);
export type PaymentState = z.infer<typeof paymentState>;

/** Who may move a payment. */
export type TriggerKind = 'request' | 'provider' | 'timer' | 'settlement';
