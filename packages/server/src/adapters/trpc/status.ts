import { createProblem, type OperationStatus, type StatusInput } from '@semel/contract/v1/pure';
import { TRPCError, type TRPCProcedureBuilder, type TRPCQueryProcedure } from '@trpc/server';
import { isWithin } from '../../admission/scope.ts';
import { isStoreUnavailable } from '../../store/port.ts';
import { isName, statusFrom } from '../operation-status.ts';
import { trpcErrorFromProblem } from './errors.ts';
import type { IdempotencyContext } from './idempotency-context.ts';
import type { ProcedureOptions } from './procedure.ts';
import { shapeOwnErrors } from './shape-own-errors.ts';
import type { AnyBuilder } from './trpc-internals.ts';

// biome-ignore lint/suspicious/noExplicitAny: only the error shape and meta of the builder matter here
type Any = any;
export type StatusProcedure<B> =
  B extends TRPCProcedureBuilder<Any, infer Meta, Any, Any, Any, Any, Any, Any, infer ErrorShape>
    ? TRPCQueryProcedure<{ input: StatusInput; output: OperationStatus; meta: Meta; errorShape: ErrorShape }>
    : never;

/**
 * What is known about an operation, for a client that lost its answer. Another principal's operation looks like none.
 * `not_found` means not recorded; it doesn't mean that it won't happen.
 */
export function statusProcedure<B extends object>(builder: B, options: ProcedureOptions): StatusProcedure<B> {
  const { store, engine } = options.semel;
  const plain = builder as unknown as AnyBuilder;
  const query = plain
    .use(shapeOwnErrors(plain))
    .input(parseStatusInput)
    .query(async ({ ctx, input }: { ctx: unknown; input: StatusInput }): Promise<OperationStatus> => {
      const principal = options.principalOf(ctx);
      const found = await reachable(
        'operationId' in input
          ? store.find(input.operationId)
          : store.lookup({ scope: principal, procedure: input.procedure, key: input.key }),
        options.contextOf(ctx),
      );
      const mine = found !== undefined && isWithin(found.record.scope, principal) ? found : undefined;
      const context = options.contextOf(ctx);
      // Makes the answer one of ours for `responseMeta`: no cache on the way may keep what is about to change.
      if (context !== undefined && context.carriers.calls > 0) {
        context.outcomes.push({ batchIndex: 0, replayed: false, operationId: mine?.record.operationId });
      }
      if (mine === undefined) {
        return 'operationId' in input
          ? { state: 'not_found', operationId: input.operationId }
          : { state: 'not_found', procedure: input.procedure };
      }
      return statusFrom(engine, mine);
    });
  return query as StatusProcedure<B>;
}

/** A store that can't be reached is a 503 with advice here too, not a bare error. */
async function reachable<T>(asked: Promise<T>, context: IdempotencyContext | undefined): Promise<T> {
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

function parseStatusInput(value: unknown): StatusInput {
  const { operationId, procedure, key } = (value ?? {}) as Record<string, unknown>;
  if (isName(operationId)) return { operationId };
  if (typeof operationId !== 'string' && isName(procedure) && isName(key)) return { procedure, key };
  throw new TRPCError({ code: 'BAD_REQUEST', message: 'Give { operationId } or { procedure, key }' });
}
