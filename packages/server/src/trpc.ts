/** The tRPC adapter: an ordinary builder chain whose mutations happen once. */
export {
  type IdempotencyContext,
  idempotencyContext,
  internalIdempotencyContext,
} from './adapters/trpc/idempotency-context.ts';
export type { StatusProcedure } from './adapters/trpc/status.ts';
export {
  type IdempotencyMeta,
  type TrpcIdempotency,
  type TrpcIdempotencyOptions,
  trpcIdempotency,
  type WithOperation,
} from './adapters/trpc/trpc-idempotency.ts';
export { DANGEROUSLY_SHARE_KEYS_BETWEEN_ALL_CALLERS } from './admission/scope.ts';
