import { TRPCError } from '@trpc/server';
import { z } from 'zod';
import { text } from '../database/text.ts';
import { createPayment } from '../payments/create-payment.ts';
import { payment, paymentRequest } from '../payments/payment.ts';
import { findPayment, listPayments } from '../payments/records.ts';
import type { Parts } from './parts.ts';
import { permitted, t } from './trpc.ts';

const paymentList = z.object({ payments: z.array(payment) }).meta({ id: 'PaymentList' });

export const paymentsRouter = ({ idempotent, db, provider, refs, log, settings }: Parts) =>
  t.router({
    /**
     * The charge is outside, so it is claimed first and runs under a lease. Every effect outside is a step under a child
     * key (`effects: 'steps'`): after a crash or a lost answer the next attempt asks the provider with the same key.
     */
    create: idempotent(permitted('create'))
      .meta({
        idempotency: {
          mode: 'leased',
          name: 'payments.create',
          effects: 'steps',
          leaseMs: settings.payment.leaseMs,
        },
        rest: {
          method: 'POST',
          path: '/v1/payments',
          status: 201,
          summary: 'Charges a customer',
          refusals: {
            402: 'The card was declined: stored, and replayed',
            502: 'The payment provider gave no definite answer: ask again with the same key',
          },
        },
      })
      .input(paymentRequest)
      .output(payment)
      .mutation(({ input, ctx: { operation, principal } }) =>
        createPayment(operation, input, { tenantId: principal.tenantId, provider, refs, log }),
      ),

    get: permitted('read')
      .meta({
        rest: {
          method: 'GET',
          path: '/v1/payments/{id}',
          summary: 'One payment',
          refusals: { 404: 'There is no such payment' },
        },
      })
      .input(z.object({ id: text(100) }))
      .output(payment)
      .query(async ({ input, ctx: { principal } }) => {
        const found = await findPayment(db, principal.tenantId, input.id);
        if (found === undefined)
          throw new TRPCError({ code: 'NOT_FOUND', message: 'There is no such payment' });
        return found;
      }),

    /** Newest first. */
    list: permitted('read')
      .meta({ rest: { method: 'GET', path: '/v1/payments', summary: 'Payments, newest first' } })
      .input(z.object({ limit: z.int().min(1).max(100).default(20) }).default({ limit: 20 }))
      .output(paymentList)
      .query(async ({ input, ctx: { principal } }) => ({
        payments: [...(await listPayments(db, principal.tenantId, input.limit))],
      })),
  });
