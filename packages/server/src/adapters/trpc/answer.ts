import type { AcceptedBody } from '@semel/contract/v1/pure';
import { TRPCError } from '@trpc/server';
import { isFinalStatus, statusSaidBy } from '../../engine/failure.ts';
import type { Policy } from '../../engine/policy.ts';
import type { RunResult } from '../../engine/request.ts';
import { TransactionEndedByHandler } from '../../store/errors.ts';
import { codeOf, trpcErrorFromProblem, trpcErrorFromStored } from './errors.ts';
import type { CallOutcome } from './idempotency-context.ts';
import type { MiddlewareCall, MiddlewareResult } from './trpc-internals.ts';

/** What a call's caller gets. What was queued answers with the body of a 202, on every carrier. */
export function answer(result: RunResult, policy: Policy, call: MiddlewareCall): MiddlewareResult {
  switch (result.kind) {
    case 'completed':
      return succeeded(result.value, call);
    case 'failed':
      throw result.replayed ? trpcErrorFromStored(result.error) : asFinalError(result.thrown);
    case 'accepted': {
      const { operationId, pollAfterMs } = result;
      return succeeded({ $idempotency: 'accepted', operationId, pollAfterMs } satisfies AcceptedBody, call);
    }
    case 'refused':
      throw trpcErrorFromProblem(result, policy.mismatchStatus);
  }
}

/** What tRPC's own resolver step returns; its marker is a type only. */
export const succeeded = (data: unknown, { ctx }: MiddlewareCall): MiddlewareResult =>
  ({ ok: true, data, marker: 'middlewareMarker', ctx }) as MiddlewareResult;

/** What the answer's headers say of a call. */
export function outcomeOf(
  result: RunResult,
  batchIndex: number,
  location: (operationId: string) => string | undefined,
): CallOutcome {
  switch (result.kind) {
    case 'refused': {
      const { operationId, retryAfterMs } = result.problem;
      return { batchIndex, replayed: false, operationId, retryAfterMs };
    }
    case 'accepted': {
      const { operationId, pollAfterMs: retryAfterMs } = result;
      const accepted = { location: location(operationId) };
      return { batchIndex, replayed: false, operationId, retryAfterMs, accepted };
    }
    case 'completed':
    case 'failed':
      return { batchIndex, replayed: result.replayed, operationId: result.operationId };
  }
}

export const asTrpcError = (error: unknown): TRPCError =>
  error instanceof TRPCError
    ? error
    : new TRPCError({ code: 'INTERNAL_SERVER_ERROR', message: messageOf(error), cause: error });

/**
 * A handler's last word. As 500, which says "nobody knows, ask again", its callers would ask for ever: what says no status of its own
 * is 422, as over plain HTTP.
 */
export function asFinalError(error: unknown): TRPCError {
  if (error instanceof TRPCError || error instanceof TransactionEndedByHandler) return asTrpcError(error);
  const said = statusSaidBy(error);
  const httpStatus = said !== undefined && isFinalStatus(said) ? said : 422;
  return new TRPCError({ code: codeOf({ code: '', httpStatus }), message: messageOf(error), cause: error });
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : 'Internal server error';
