import type { Operation } from '@semel/server';
import { TRPCError } from '@trpc/server';
import type { Queryable } from '../database/pool.ts';
import type { PaymentProvider, PayoutOrder } from '../payments/provider.ts';
import { errorForCaller } from '../payments/provider-errors.ts';
import type { ProviderRefs } from '../telemetry/provider-refs.ts';
import type { Payout, PayoutRequest } from './payout.ts';
import { insertPayout } from './records.ts';

export interface CreatePayout {
  readonly tenantId: string;
  readonly provider: PaymentProvider;
  readonly refs: ProviderRefs;
}

/**
 * Run by a worker, as often as it takes: every attempt asks the provider for the same transfer under the same child key.
 * The row and the outcome are one commit.
 */
export async function createPayout(
  operation: Operation<Queryable>,
  request: PayoutRequest,
  { tenantId, provider, refs }: CreatePayout,
): Promise<Payout> {
  const payoutId = `po_${operation.id}`;
  const order: PayoutOrder = { payoutId, ...request };

  operation.progress({ stage: 'sending' });
  const answer = await operation.step('transfer', { input: order }, (childKey) =>
    provider.payOut(order, childKey).catch((error: unknown) => {
      throw errorForCaller(error);
    }),
  );
  if (answer.kind === 'sent') refs.learned(operation.id, answer.providerRef);
  operation.progress({ stage: 'booking' });

  // A refused payout is a fact too: its row and the stored refusal commit together.
  return operation.settle<Payout>(async (tx) => {
    const booked = await insertPayout(tx, { tenantId, operationId: operation.id, order, answer });
    if (answer.kind === 'sent') return booked;
    return operation.refuse(
      new TRPCError({ code: 'PAYMENT_REQUIRED', message: `The payout was refused: ${answer.code}` }),
    );
  });
}
