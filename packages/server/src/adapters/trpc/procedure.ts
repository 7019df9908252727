import { unwrapInput } from '@semel/contract/v1/pure';
import { TRPCError } from '@trpc/server';
import { admitKey } from '../../admission/admit-key.ts';
import { admitRequest } from '../../admission/admit-request.ts';
import type { Policy } from '../../engine/policy.ts';
import { engineErrorIn } from '../../engine/failure.ts';
import type { Operation } from '../../engine/operation.ts';
import { isRefusal } from '../../engine/refusal.ts';
import type { RunResult } from '../../engine/request.ts';
import type { Semel } from '../../semel.ts';
import type { Trace } from '../../store/port.ts';
import { activeTraceId } from '../../telemetry/tracing.ts';
import {
  describeTrpcError,
  refusalBeforeClaim,
  shapeByApplication,
  shapeOwnError,
  statusOfTrpcError,
  trpcErrorFromAdmission,
  trpcErrorFromProblem,
  trpcErrorFromStored,
} from './errors.ts';
import type { IdempotencyContext } from './idempotency-context.ts';
import type { AnyBuilder, Middleware, MiddlewareCall, MiddlewareResult } from './trpc-internals.ts';

/** What one adapter knows about its application. */
export interface ProcedureOptions {
  readonly semel: Semel<unknown>;
  readonly scopeOf: (ctx: unknown) => string;
  readonly contextOf: (ctx: unknown) => IdempotencyContext | undefined;
  readonly minKeyLength: number;
}

/** Carries a call's envelope and the request's own context from the first middleware to the claim. */
const ENTERED = Symbol('semel.entered');

interface Entered {
  readonly envelope: ReturnType<typeof unwrapInput>;
  readonly ctx: object;
}
const enteredOf = ({ ctx }: MiddlewareCall): Entered => (ctx as { [ENTERED]: Entered })[ENTERED];

/**
 * Puts the claim next to the resolver, behind every parser and guard, in whatever order they were written:
 * `[unwrap, …all of the application's, our error shapes, claim, resolver]`. Output parsers move inside the claim: what they
 * return is what is stored, a replay doesn't parse again, and an output that fails rolls its transaction back.
 */
export function arrange(builder: AnyBuilder, policy: Policy, options: ProcedureOptions): AnyBuilder {
  const { middlewares, config } = builder._def;
  const outputs = middlewares.filter((middleware) => middleware._type === 'output');
  const others = middlewares.filter((middleware) => middleware._type !== 'output');
  const errorShapers = others.filter((middleware) => middleware._type === 'errors');

  const shapeOwn: Middleware = async (call) => {
    const result = await call.next();
    if (result.ok) return result;
    return { ...result, error: await shaped(result.error, call) };
  };
  const shaped = async (error: TRPCError, call: MiddlewareCall): Promise<TRPCError> => {
    const shape = shapeOwnError(error, config, await errorCall(call));
    if (shape === undefined) return error;
    // tRPC's own formatter middleware is the public way to fix an error's shape.
    const [fix] = builder.errors(() => shape)._def.middlewares.slice(-1);
    const result = await fix?.({ ...call, next: async () => ({ ok: false, error }) });
    return result !== undefined && !result.ok ? result.error : error;
  };

  /** As the application shapes it: its procedure formatters, innermost first, then its root formatter. */
  const describe = async (error: unknown, call: MiddlewareCall) => {
    const trpcError = asTrpcError(error);
    for (const shaper of errorShapers.toReversed()) {
      await shaper({ ...call, next: async () => ({ ok: false, error: trpcError }) });
    }
    const shown = await errorCall(call);
    return describeTrpcError(trpcError, (e) => shapeByApplication(e, config, shown));
  };

  const parseOutput = async (value: unknown, call: MiddlewareCall): Promise<unknown> => {
    let data = value;
    for (const parse of outputs.toReversed()) {
      const result = await parse({ ...call, next: async () => ({ ok: true, data }) });
      if (!result.ok) throw result.error;
      data = result.data;
    }
    return data;
  };

  const handlerOf = (call: MiddlewareCall) => async (operation: Operation) => {
    const ran = await call.next({ ctx: { operation } });
    if (ran.ok) return ran.data;
    // tRPC wraps what isn't its own: the engine wants to see a refusal, or its own error, as it was thrown.
    const { cause } = ran.error;
    throw isRefusal(cause) ? cause : (engineErrorIn(cause) ?? ran.error);
  };

  const claim: Middleware = async (call) => {
    const { semel } = options;
    const outer = outerOperation(call.ctx);
    if (outer !== undefined) {
      const procedure = policy.name ?? call.path;
      const data = await semel.engine.runNested(outer, { procedure, mode: policy.mode }, async (operation) => {
        const returned = await handlerOf(call)(operation);
        if (isRefusal(returned)) throw asTrpcError(returned.error);
        return parseOutput(returned, call);
      });
      return succeeded(data, call);
    }
    const context = options.contextOf(call.ctx);
    if (context === undefined) {
      throw new TRPCError({
        code: 'INTERNAL_SERVER_ERROR',
        message: 'The context has no `idempotency`: put idempotencyContext({ req, info }) into it in createContext',
      });
    }
    const { envelope } = enteredOf(call);
    const batchIndex = call.batchIndex ?? 0;
    const admittedKey = admitKey(context.carriers, envelope, batchIndex);
    if (!admittedKey.ok) throw refusalBeforeClaim(admittedKey.code, admittedKey.reason);
    const procedure = policy.name ?? call.path;
    const admitted = await admission(() =>
      call.getRawInput().then((input) =>
        admitRequest({
          policy,
          procedure,
          scope: options.scopeOf(call.ctx),
          key: admittedKey.key,
          input,
          minKeyLength: options.minKeyLength,
        }),
      ),
    );

    const result = await semel.engine.run(
      {
        ...admitted,
        procedure,
        policy,
        failures: { statusOf: statusOfTrpcError, describe: (error) => describe(error, call) },
        parseOutput: outputs.length === 0 ? undefined : (value) => parseOutput(value, call),
        trace: traceOf(context),
      },
      handlerOf(call),
    );
    if (context.carriers.calls > 0) context.outcomes.push(outcomeOf(result, batchIndex));
    return answer(result, policy, call);
  };

  const arranged = builder.use(claim);
  arranged._def.middlewares = [unwrap, ...others, shapeOwn, claim];
  return arranged;
}

/** First of all, so that the application's parsers see the input and not its envelope. Judged only at the claim. */
const unwrap: Middleware = async (call) => {
  const raw = await call.getRawInput().catch(() => undefined);
  const envelope = unwrapInput(raw);
  const ctx = { [ENTERED]: { envelope, ctx: call.ctx } satisfies Entered };
  return envelope.enveloped && envelope.ok
    ? call.next({ ctx, getRawInput: async () => envelope.input })
    : call.next({ ctx });
};

function answer(result: RunResult, policy: Policy, call: MiddlewareCall): MiddlewareResult {
  switch (result.kind) {
    case 'completed':
      return succeeded(result.value, call);
    case 'failed':
      throw result.replayed ? trpcErrorFromStored(result.error) : asTrpcError(result.thrown);
    case 'refused':
      throw trpcErrorFromProblem(result, policy.mismatchStatus);
  }
}

/** A handler that calls another procedure with its own context hands its operation on. */
function outerOperation(ctx: object): Operation | undefined {
  const { operation } = ctx as { operation?: Partial<Operation> };
  const isOurs = typeof operation?.refuse === 'function' && typeof operation.childKey === 'function';
  return isOurs ? (operation as Operation) : undefined;
}

/** What tRPC's own resolver step returns; its marker is a type only. */
const succeeded = (data: unknown, { ctx }: MiddlewareCall): MiddlewareResult =>
  ({ ok: true, data, marker: 'middlewareMarker', ctx }) as MiddlewareResult;

function outcomeOf(result: RunResult, batchIndex: number) {
  return result.kind === 'refused'
    ? {
        batchIndex,
        replayed: false,
        operationId: result.problem.operationId,
        retryAfterMs: result.problem.retryAfterMs,
      }
    : { batchIndex, replayed: result.replayed, operationId: result.operationId };
}

async function admission<T>(admit: () => Promise<T>): Promise<T> {
  try {
    return await admit();
  } catch (error) {
    throw trpcErrorFromAdmission(error);
  }
}

function traceOf(context: IdempotencyContext): Trace {
  const traceId = context.traceId ?? activeTraceId();
  return traceId === undefined ? { actor: 'request' } : { actor: 'request', traceId };
}

const asTrpcError = (error: unknown): TRPCError =>
  error instanceof TRPCError
    ? error
    : new TRPCError({ code: 'INTERNAL_SERVER_ERROR', message: messageOf(error), cause: error });

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : 'Internal server error');

/** What tRPC itself shows a root formatter: the raw input and the request's context, so that a replay looks like a first answer. */
const errorCall = async (call: MiddlewareCall) => ({
  type: call.type,
  path: call.path,
  input: await call.getRawInput().catch(() => undefined),
  ctx: enteredOf(call).ctx,
});
