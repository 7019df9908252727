import { createProblem, type OperationStatus, type StatusInput } from '@semel/contract/v1/pure';
import { TRPCError, type TRPCProcedureBuilder, type TRPCQueryProcedure } from '@trpc/server';
import { isStoreUnavailable } from '../../store/port.ts';
import { isName, ownOperation, statusFrom } from '../operation-status.ts';
import { trpcErrorFromProblem } from './errors.ts';
import type { IdempotencyContext } from './idempotency-context.ts';
import type { ProcedureOptions } from './procedure.ts';
import { shapeOwnErrors } from './shape-own-errors.ts';
import type { AnyBuilder } from './trpc-internals.ts';

// biome-ignore lint/suspicious/noExplicitAny: only the error shape and meta of the builder matter here
type Any = any;
/** The query that `status` makes of a builder. */
export type StatusProcedure<B> =
  B extends TRPCProcedureBuilder<Any, infer Meta, Any, Any, Any, Any, Any, Any, infer ErrorShape>
    ? TRPCQueryProcedure<{ input: StatusInput; output: OperationStatus; meta: Meta; errorShape: ErrorShape }>
    : never;

/**
 * What is known about an operation, for a client that lost its answer. Another principal's operation looks like none.
 * `not_found` means not recorded; it doesn't mean that it won't happen.
 */
export function statusProcedure<B extends object>(builder: B, options: ProcedureOptions): StatusProcedure<B> {
  const { engine, store } = options.semel;
  const plain = builder as unknown as AnyBuilder;
  const query = plain
    .use(shapeOwnErrors(plain))
    .input(parseStatusInput)
    .query(async ({ ctx, input }: { ctx: unknown; input: StatusInput }): Promise<OperationStatus> => {
      const context = options.contextOf(ctx);
      const mine = await reachable(ownOperation(store, input, options.principalOf(ctx)), context);
      // Makes the answer one of ours for `responseMeta`: no cache on the way may keep what is about to change.
      if (context !== undefined && context.carriers.calls > 0) {
        context.outcomes.push({ batchIndex: 0, replayed: false, operationId: mine?.record.operationId });
      }
      if (mine === undefined) return notFound(input);
      return statusFrom(engine, mine);
    });
  return query as StatusProcedure<B>;
}

/** Not recorded, or another's: from outside the same. */
export const notFound = (ask: StatusInput): OperationStatus =>
  'operationId' in ask
    ? { state: 'not_found', operationId: ask.operationId }
    : { state: 'not_found', procedure: ask.procedure };

/** A store that can't be reached is a 503 with advice here too, not a bare error. */
export async function reachable<T>(asked: Promise<T>, context: IdempotencyContext | undefined): Promise<T> {
  try {
    return await asked;
  } catch (cause) {
    if (!isStoreUnavailable(cause)) throw cause;
    const problem = createProblem('store_unavailable');
    if (context !== undefined && context.carriers.calls > 0) {
      context.outcomes.push({ batchIndex: 0, replayed: false, retryAfterMs: problem.retryAfterMs });
    }
    throw trpcErrorFromProblem({ kind: 'refused', problem, cause }, 422);
  }
}

export function parseStatusInput(value: unknown): StatusInput {
  const { operationId, procedure, key } = (value ?? {}) as Record<string, unknown>;
  if (isName(operationId)) return { operationId };
  if (typeof operationId !== 'string' && isName(procedure) && isName(key)) return { procedure, key };
  throw new TRPCError({ code: 'BAD_REQUEST', message: 'Give { operationId } or { procedure, key }' });
}
