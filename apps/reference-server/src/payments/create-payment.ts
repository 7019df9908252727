import type { Operation } from '@semel/server';
import { TRPCError } from '@trpc/server';
import type { Queryable } from '../database/pool.ts';
import type { Logger } from '../telemetry/logging.ts';
import type { ProviderRefs } from '../telemetry/provider-refs.ts';
import type { PaymentState, TriggerKind } from './graph.ts';
import type { Payment, PaymentRequest } from './payment.ts';
import type { ChargeAnswer, ChargeOrder, PaymentProvider } from './provider.ts';
import { errorForCaller } from './provider-errors.ts';
import { findPayment, insertPayment, movePayment } from './records.ts';

export interface CreatePayment {
  readonly tenantId: string;
  readonly provider: PaymentProvider;
  readonly refs: ProviderRefs;
  readonly log: Logger;
}

/**
 * Charges, then writes payment, history and outcome in one commit. Nothing is stored before the provider has answered:
 * until then the operation's own record is what says that a payment is under way.
 *
 * The payment's id comes from the operation's, which all attempts share. So a later attempt asks the provider for
 * exactly the same charge, under the same child key, and gets the first one's.
 */
export async function createPayment(
  operation: Operation<Queryable>,
  request: PaymentRequest,
  { tenantId, provider, refs, log }: CreatePayment,
): Promise<Payment> {
  const paymentId = `pay_${operation.id}`;
  const { amount, currency, customer, capture, reference = paymentId } = request;
  const order: ChargeOrder = { paymentId, amount, currency, customer, capture, reference };

  const answer = await operation.step('charge', { input: order }, async (childKey) => {
    const answered = await provider.charge(order, childKey).catch((error: unknown) => {
      throw errorForCaller(error);
    });
    const { id: operationId, key, attempt } = operation;
    const said = { answer: answered.kind, providerRef: providerRefIn(answered) };
    log.info(
      { event: 'provider_answered', operationId, key, tenant: tenantId, attempt, ...said },
      'provider answered',
    );
    return answered;
  });
  // Also when a resumed attempt took the answer from its record: the log lines from here on carry it.
  refs.learned(operation.id, providerRefIn(answer));

  if (answer.kind === 'invalid') {
    const at = answer.field === null ? '' : ` (${answer.field})`;
    throw operation.refuse(
      new TRPCError({
        code: 'BAD_REQUEST',
        message: `The payment provider refused the request: ${answer.code}${at}`,
      }),
    );
  }
  // A declined payment is a fact too: its rows and the stored refusal commit together.
  return operation.settle<Payment>(async (tx) => {
    const payment = await recordPayment(tx, {
      tenantId,
      operationId: operation.id,
      order,
      answer,
      provider: provider.name,
    });
    if (answer.kind === 'charged') return payment;
    return operation.refuse(
      new TRPCError({ code: 'PAYMENT_REQUIRED', message: `The card was declined: ${answer.code}` }),
    );
  });
}

async function recordPayment(
  tx: Queryable,
  { tenantId, operationId, order, answer, provider }: PaymentRecord,
): Promise<Payment> {
  const { paymentId } = order;
  const known = answer.providerRef === null ? undefined : { name: provider, ref: answer.providerRef };
  const move = async (to: PaymentState, kind: TriggerKind, ref: string): Promise<void> => {
    const outcome = await movePayment(tx, { tenantId, paymentId, to, kind, ref, provider: known });
    if (outcome !== 'accepted') throw new Error(`A new payment could not move to ${to}: ${outcome}`);
  };
  await insertPayment(tx, { tenantId, operationId, order });
  await move('processing', 'request', `${operationId}/charge`);
  const state = answer.kind === 'declined' ? 'failed' : answer.state;
  if (state !== 'processing') await move(state, 'provider', answer.providerRef ?? `${operationId}/${state}`);
  const payment = await findPayment(tx, tenantId, paymentId);
  if (payment === undefined) throw new Error('A payment that was just written is not there');
  return payment;
}

interface PaymentRecord {
  readonly tenantId: string;
  readonly operationId: string;
  readonly order: ChargeOrder;
  readonly answer: Exclude<ChargeAnswer, { kind: 'invalid' }>;
  readonly provider: string;
}

const providerRefIn = (answer: ChargeAnswer): string | undefined =>
  answer.kind === 'invalid' ? undefined : (answer.providerRef ?? undefined);
