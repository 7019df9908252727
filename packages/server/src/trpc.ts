/** The tRPC adapter: an ordinary builder chain whose mutations happen once. */

// In `createContext` and `responseMeta`.

export {
  type IdempotencyContext,
  idempotencyContext,
  internalIdempotencyContext,
} from './adapters/trpc/idempotency-context.ts';

// Around procedures.

export {
  type IdempotencyMeta,
  type TrpcIdempotency,
  type TrpcIdempotencyOptions,
  trpcIdempotency,
  type WithOperation,
} from './adapters/trpc/trpc-idempotency.ts';
export { DANGEROUSLY_SHARE_KEYS_BETWEEN_ALL_CALLERS } from './admission/scope.ts';

// What became of an operation.

export type { StatusProcedure } from './adapters/trpc/status.ts';
export type { StatusUpdatesOptions, StatusUpdatesProcedure } from './adapters/trpc/status-updates.ts';

// What is queued.

export { type CreateWorkerOptions, createWorker } from './adapters/trpc/worker.ts';
export type {
  CreateWorkerContext,
  WorkerContextRequest,
  WorkerRouter,
} from './adapters/trpc/worker-procedures.ts';
