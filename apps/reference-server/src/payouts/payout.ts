import { z } from 'zod';
import { text } from '../database/text.ts';
import { currency } from '../payments/payment.ts';

export const payoutRequest = z
  .object({
    amount: z.int().min(1).max(99_999_999).describe('In minor units of the currency: 1250 is EUR 12.50'),
    currency,
    destination: text(255).describe('The bank account that it goes to'),
  })
  .meta({ id: 'PayoutRequest' });
export type PayoutRequest = z.infer<typeof payoutRequest>;

/** A payout as every carrier shows it. Only paid ones are answered: a refusal is an error, and stored as one. */
export const payout = z
  .object({
    id: z.string(),
    state: z.enum(['paid', 'refused']),
    amount: z.int(),
    currency: z.string(),
    destination: z.string(),
    providerRef: z.string().nullable(),
    createdAt: z.string(),
  })
  .meta({ id: 'Payout' });
export type Payout = z.infer<typeof payout>;
