import { z } from 'zod';
import { paymentState } from './graph.ts';

/** ISO 4217 codes that are taken. Amounts are in their minor unit: 1250 is EUR 12.50, but JPY 1250. */
export const currency = z.enum([
  'AUD',
  'CAD',
  'CHF',
  'CZK',
  'DKK',
  'EUR',
  'GBP',
  'HUF',
  'JPY',
  'NOK',
  'NZD',
  'PLN',
  'SEK',
  'SGD',
  'USD',
]);

const text = (max: number) => z.string().min(1).max(max);

export const paymentRequest = z.object({
  /** Minor units, greater than zero. */
  amount: z.int().min(1).max(99_999_999),
  currency,
  customer: text(255),
  /** The caller's own name for it. @default the payment's id */
  reference: text(200).optional(),
  capture: z.enum(['automatic', 'manual']).default('automatic'),
});
export type PaymentRequest = z.infer<typeof paymentRequest>;

/** A payment as every carrier shows it: plain JSON, times in ISO 8601. */
export const payment = z.object({
  id: z.string(),
  state: paymentState,
  amount: z.int(),
  currency: z.string(),
  customer: z.string(),
  reference: z.string(),
  providerRef: z.string().nullable(),
  /** Number of the last accepted transition. */
  version: z.int(),
  createdAt: z.string(),
  updatedAt: z.string(),
});
export type Payment = z.infer<typeof payment>;
