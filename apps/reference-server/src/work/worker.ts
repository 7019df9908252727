import type { Semel } from '@semel/server';
import { createWorker, internalIdempotencyContext } from '@semel/server/trpc';
import type pg from 'pg';
import { authenticateTenant } from '../access/tenant-rights.ts';
import type { AppRouter } from '../procedures/router.ts';
import type { Context } from '../procedures/trpc.ts';

interface WorkerParts {
  readonly semel: Semel<pg.ClientBase>;
  readonly router: AppRouter;
  readonly db: pg.Pool;
  /** Operations at work in this process at a time. */
  readonly concurrency: number;
}

/** Runs what was accepted, in this process: as its tenant, with the rights that the tenant has by then. */
export const startWorker = ({ semel, router, db, concurrency }: WorkerParts) =>
  createWorker({
    semel,
    router,
    concurrency,
    createContext: ({ principal }): Context => ({
      idempotency: internalIdempotencyContext(),
      authenticate: () => authenticateTenant(db, principal),
      isOverLimit: async () => undefined, // counted when it was asked for
    }),
  });
