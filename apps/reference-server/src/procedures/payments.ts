import { TRPCError } from '@trpc/server';
import { z } from 'zod';
import { createPayment } from '../payments/create-payment.ts';
import { payment, paymentRequest } from '../payments/payment.ts';
import { findPayment, listPayments } from '../payments/records.ts';
import type { Parts } from './parts.ts';
import { permitted, t } from './trpc.ts';

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
      })
      .input(paymentRequest)
      .output(payment)
      .mutation(({ input, ctx: { operation, principal } }) =>
        createPayment(operation, input, { tenantId: principal.tenantId, provider, refs, log }),
      ),

    get: permitted('read')
      .input(z.object({ id: z.string().min(1).max(100) }))
      .output(payment)
      .query(async ({ input, ctx: { principal } }) => {
        const found = await findPayment(db, principal.tenantId, input.id);
        if (found === undefined)
          throw new TRPCError({ code: 'NOT_FOUND', message: 'There is no such payment' });
        return found;
      }),

    /** Newest first. */
    list: permitted('read')
      .input(z.object({ limit: z.int().min(1).max(100).default(20) }).default({ limit: 20 }))
      .output(z.object({ payments: z.array(payment) }))
      .query(async ({ input, ctx: { principal } }) => ({
        payments: [...(await listPayments(db, principal.tenantId, input.limit))],
      })),
  });
