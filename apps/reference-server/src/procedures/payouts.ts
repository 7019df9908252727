import { createPayout } from '../payouts/create-payout.ts';
import { payout, payoutRequest } from '../payouts/payout.ts';
import type { Parts } from './parts.ts';
import { permitted, t } from './trpc.ts';

export const payoutsRouter = ({ idempotent, provider, refs, settings }: Parts) =>
  t.router({
    /**
     * A transfer may take minutes and its bank may be away for hours: it is accepted (202), and a worker sends it, with
     * retries. What the retries don't settle is a dead letter that payments operations has to decide about.
     */
    create: idempotent(permitted('create'))
      .meta({
        idempotency: {
          mode: 'queued',
          name: 'payouts.create',
          effects: 'steps',
          leaseMs: settings.payment.leaseMs,
          backoff: settings.payout.backoff,
          maxAttempts: settings.payout.maxAttempts,
          deadLetterOwner: 'payments-operations',
        },
        rest: {
          method: 'POST',
          path: '/v1/payouts',
          status: 201,
          summary: 'Sends money to a bank account',
          refusals: { 402: 'The payout was refused: stored, and replayed' },
        },
      })
      .input(payoutRequest)
      .output(payout)
      .mutation(({ input, ctx: { operation, principal } }) =>
        createPayout(operation, input, { tenantId: principal.tenantId, provider, refs }),
      ),
  });
