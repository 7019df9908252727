import { enrollmentsRouter } from './enrollments.ts';
import { idempotencyRouter } from './idempotency.ts';
import { ordersRouter } from './orders.ts';
import type { Parts } from './parts.ts';
import { paymentsRouter } from './payments.ts';
import { payoutsRouter } from './payouts.ts';
import { t } from './trpc.ts';

export const createRouter = (parts: Parts) =>
  t.router({
    enrollments: enrollmentsRouter(parts),
    idempotency: idempotencyRouter(parts),
    orders: ordersRouter(parts),
    payments: paymentsRouter(parts),
    payouts: payoutsRouter(parts),
  });

/** For clients: `createTRPCClient<AppRouter>`. */
export type AppRouter = ReturnType<typeof createRouter>;
