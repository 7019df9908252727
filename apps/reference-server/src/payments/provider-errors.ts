import { TRPCError } from '@trpc/server';
import { ProviderFailure } from './provider.ts';

/** 502 tells a client that nobody knows yet, and that the same key may ask again. */
export function errorForCaller(error: unknown): TRPCError {
  const message =
    error instanceof ProviderFailure ? error.message : 'The payment provider could not be asked';
  return new TRPCError({ code: 'BAD_GATEWAY', message, cause: error });
}
