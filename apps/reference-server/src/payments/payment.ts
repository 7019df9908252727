import { z } from 'zod';
import { text } from '../database/text.ts';
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

export const paymentRequest = z
  .object({
    amount: z.int().min(1).max(99_999_999).describe('In minor units of the currency: 1250 is EUR 12.50'),
    currency,
    customer: text(255),
    reference: text(200)
      .optional()
      .describe("The caller's own name for it; the payment's id where there is none"),
    capture: z.enum(['automatic', 'manual']).default('automatic'),
  })
  .meta({ id: 'PaymentRequest' });
export type PaymentRequest = z.infer<typeof paymentRequest>;

/** A payment as every carrier shows it: plain JSON, times in ISO 8601. */
export const payment = z
  .object({
    id: z.string(),
    state: paymentState,
    amount: z.int(),
    currency: z.string(),
    customer: z.string(),
    reference: z.string(),
    providerRef: z.string().nullable(),
    version: z.int().describe('Number of the last accepted transition'),
    createdAt: z.string(),
    updatedAt: z.string(),
  })
  .meta({ id: 'Payment' });
export type Payment = z.infer<typeof payment>;
