import {
  createProblem,
  type OperationStatus,
  parseOutcome,
  type StatusInput,
  type StoredOutcome,
} from '@semel/contract/v1/pure';
import { TRPCError, type TRPCProcedureBuilder, type TRPCQueryProcedure } from '@trpc/server';
import { isWithin } from '../../admission/scope.ts';
import { isStoreUnavailable, type Sighting, type Store } from '../../store/port.ts';
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
  const { store } = options.semel;
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
      return statusFrom(store, mine);
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

async function statusFrom(store: Store, { record, now }: Sighting): Promise<OperationStatus> {
  const history = await store.history(record.operationId);
  const outcome: StoredOutcome | undefined =
    record.outcome === undefined ? undefined : parseOutcome(record.outcome);
  const iso = (ms: number): string => new Date(ms).toISOString();
  return {
    operationId: record.operationId,
    procedure: record.procedure,
    state: record.state,
    attempt: record.attempt,
    createdAt: iso(record.createdAt),
    updatedAt: iso(record.updatedAt),
    ...(record.expiresAt !== undefined && { expiresAt: iso(record.expiresAt) }),
    ...(outcome !== undefined && { outcome }),
    ...(record.leaseUntil !== undefined && {
      retryAfterMs: Math.max(250, Math.ceil(Math.min(record.leaseUntil - now, 1000))),
    }),
    transitions: history.map(({ seq, from, to, attempt, at, cause }) => ({
      seq,
      from,
      to,
      attempt,
      at: iso(at),
      cause,
    })),
  };
}

/** What an id, a procedure's name or a key can be. Others are no record's, and no store need be asked with them. */
const isName = (value: unknown): value is string =>
  typeof value === 'string' && /^[^\p{Cc}\p{Cs}]{1,1000}$/u.test(value);

function parseStatusInput(value: unknown): StatusInput {
  const { operationId, procedure, key } = (value ?? {}) as Record<string, unknown>;
  if (isName(operationId)) return { operationId };
  if (typeof operationId !== 'string' && isName(procedure) && isName(key)) return { procedure, key };
  throw new TRPCError({ code: 'BAD_REQUEST', message: 'Give { operationId } or { procedure, key }' });
}
