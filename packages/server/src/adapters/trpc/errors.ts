import { createProblem, problemRow } from '@semel/contract/v1/pure';
import { getTRPCErrorFromUnknown, getTRPCErrorShape, TRPCError, type TRPCRootConfig } from '@trpc/server';
import { getHTTPStatusCodeFromError } from '@trpc/server/http';
import { TRPC_ERROR_CODES_BY_KEY } from '@trpc/server/rpc';
import { UnfingerprintableInput } from '../../admission/admit-request.ts';
import { IdempotencyError, isIdempotencyError } from '../../admission/idempotency-error.ts';
import type { DescribedError } from '../../engine/failure.ts';
import type { RunResult } from '../../engine/request.ts';
import type { MiddlewareCall } from './trpc-internals.ts';

/** A stored failure on its way back: its shape is answered exactly as the application had shaped it. */
export class ReplayedFailure extends Error {
  override readonly name = 'ReplayedFailure';
  readonly stored: DescribedError;
  constructor(stored: DescribedError) {
    super(stored.message);
    this.stored = stored;
  }
}

type Code = TRPCError['code'];
// biome-ignore lint/suspicious/noExplicitAny: tRPC's own root config is typed by the application's root types
type Config = TRPCRootConfig<any>;

export function trpcErrorFromProblem(
  { problem, cause }: Extract<RunResult, { kind: 'refused' }>,
  mismatchStatus: 422 | 409,
  reason?: string,
): TRPCError {
  const error = new IdempotencyError(problem, { reason, cause });
  const row = problemRow(problem.code);
  const code = problem.code === 'key_reused' && mismatchStatus === 409 ? 'CONFLICT' : row.trpcCode;
  return new TRPCError({ code: code as Code, message: error.message, cause: error });
}

/** Refusals before the claim. Anything else is passed on as it is. */
export function trpcErrorFromAdmission(error: unknown): unknown {
  if (isIdempotencyError(error)) {
    const { trpcCode } = problemRow(error.problem.code);
    return new TRPCError({ code: trpcCode as Code, message: error.message, cause: error });
  }
  if (error instanceof UnfingerprintableInput) {
    return new TRPCError({ code: 'BAD_REQUEST', message: error.message, cause: error });
  }
  return error;
}

export function refusalBeforeClaim(
  code: 'key_malformed' | 'contract_unsupported',
  reason: string,
): TRPCError {
  return trpcErrorFromProblem({ kind: 'refused', problem: createProblem(code) }, 422, reason);
}

export function trpcErrorFromStored(error: DescribedError): TRPCError {
  return new TRPCError({
    code: codeOf(error),
    message: error.message,
    cause: new ReplayedFailure(error),
  });
}

/** An operator's or a resolver's word may have a code of its own: tRPC knows it by its status. */
export function codeOf({ code, httpStatus }: Pick<DescribedError, 'code' | 'httpStatus'>): Code {
  if (Object.hasOwn(TRPC_ERROR_CODES_BY_KEY, code)) return code as Code;
  const codes = Object.keys(TRPC_ERROR_CODES_BY_KEY) as Code[];
  const same = codes.find((each) => getHTTPStatusCodeFromError(new TRPCError({ code: each })) === httpStatus);
  return same ?? (httpStatus < 500 ? 'BAD_REQUEST' : 'INTERNAL_SERVER_ERROR');
}

export const statusOfTrpcError = (error: unknown): number | undefined =>
  error instanceof TRPCError ? getHTTPStatusCodeFromError(error) : undefined;

/**
 * The shape that a caller gets for our own errors; `undefined` for everyone else's. A problem is shaped by the
 * application's formatter first, so that its clients find what they always find, and then carries the problem.
 */
export function shapeOwnError(error: TRPCError, config: Config | undefined, call: ErrorCall): unknown {
  const { cause } = error;
  if (cause instanceof ReplayedFailure) {
    const { shape, httpStatus, code } = cause.stored;
    if (shape !== undefined || code === error.code) return shape;
    return withData(shapeByApplication(error, config, call), { httpStatus, reason: code });
  }
  if (!isIdempotencyError(cause)) return undefined;
  return withData(shapeByApplication(error, config, call), { idempotency: cause.problem });
}

const withData = (shape: unknown, more: object): unknown => ({
  ...(shape as object),
  data: { ...(shape as { data?: object }).data, ...more },
});

export interface ErrorCall {
  readonly type: MiddlewareCall['type'];
  readonly path: string;
  readonly input: unknown;
  readonly ctx: unknown;
}

/** What the application's own formatters make of an error, without the stack that development mode adds. */
export function shapeByApplication(error: TRPCError, config: Config | undefined, call: ErrorCall): unknown {
  if (config === undefined)
    throw new Error('This tRPC version keeps no root config on its builders: use @trpc/server 11');
  const shape = getTRPCErrorShape({ config, error, ...call }) as { data?: Record<string, unknown> };
  if (shape?.data === undefined || !('stack' in shape.data)) return shape;
  const { stack: _, ...data } = shape.data;
  return { ...shape, data };
}

export function describeTrpcError(error: unknown, shape: (error: TRPCError) => unknown): DescribedError {
  const trpcError = error instanceof TRPCError ? error : getTRPCErrorFromUnknown(error);
  const shaped = (): unknown => {
    try {
      return shape(trpcError);
    } catch {
      // A formatter that fails must not keep a final answer from being stored: it is shaped anew on every replay.
      return undefined;
    }
  };
  return {
    httpStatus: getHTTPStatusCodeFromError(trpcError),
    code: trpcError.code,
    message: trpcError.message,
    shape: shaped(),
  };
}
