import { TRPCError } from '@trpc/server';
import { admitKey } from '../../admission/admit-key.ts';
import { type Admitted, admitRequest } from '../../admission/admit-request.ts';
import { type Inspectable, markInspectable } from '../../admission/inspectable.ts';
import type { IdempotencyPolicy } from '../../admission/policy.ts';
import { engineErrorIn, OperationMisuse } from '../../engine/failure.ts';
import type { Operation } from '../../engine/operation.ts';
import { createOutcomeCodec, type Serializer } from '../../engine/outcome.ts';
import type { Policy } from '../../engine/policy.ts';
import { isRefusal } from '../../engine/refusal.ts';
import { traceOf } from '../../engine/trace.ts';
import type { Semel } from '../../semel.ts';
import { answer, asFinalError, outcomeOf, succeeded } from './answer.ts';
import { enter, enteredOf, errorCallOf } from './entered.ts';
import {
  describeTrpcError,
  refusalBeforeClaim,
  shapeByApplication,
  statusOfTrpcError,
  trpcErrorFromAdmission,
} from './errors.ts';
import { type IdempotencyContext, internalIdempotencyContext } from './idempotency-context.ts';
import { withOwnShapes } from './shape-own-errors.ts';
import type { AnyBuilder, MiddlewareCall, MiddlewareResult } from './trpc-internals.ts';
import { type Delivery, markWorkable } from './worker-entry.ts';

/** What one adapter knows about its application. */
export interface ProcedureOptions {
  readonly semel: Semel<unknown>;
  /** As the application gave it, for `inspect`. */
  readonly scope: Inspectable['scope'];
  readonly principalOf: (ctx: unknown) => string;
  readonly contextOf: (ctx: unknown) => IdempotencyContext | undefined;
  readonly minKeyLength: number;
  /** The address of an operation's status, for `Location`. */
  readonly locationOf: (operationId: string, config: AnyBuilder['_def']['config']) => string | undefined;
}

/**
 * Puts the claim next to the resolver, behind every parser and guard, in whatever order they were written:
 * `[enter, …all of the application's, claim, resolver]`. Output parsers move inside the claim: what they
 * return is what is stored, a replay doesn't parse again, and an output that fails rolls its transaction back.
 */
export function arrange(
  builder: AnyBuilder,
  given: IdempotencyPolicy,
  policy: Policy,
  options: ProcedureOptions,
): AnyBuilder {
  const { middlewares, config } = builder._def;
  const outputs = middlewares.filter((middleware) => middleware._type === 'output');
  const others = middlewares.filter((middleware) => middleware._type !== 'output');
  const errorShapers = others.filter((middleware) => middleware._type === 'errors');
  const outcomes = createOutcomeCodec(serializerOf(config));

  /** As the application shapes it: its procedure formatters, innermost first, then its root formatter. */
  const describe = async (error: unknown, call: MiddlewareCall) => {
    const trpcError = asFinalError(error);
    for (const shaper of errorShapers.toReversed()) {
      await shaper({ ...call, next: async () => ({ ok: false, error: trpcError }) });
    }
    const shown = await errorCallOf(call);
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

  /** In a worker: claimed already, so the resolver is next. A middleware that calls `next` twice gets one execution. */
  const deliver = async (delivery: Delivery, call: MiddlewareCall): Promise<MiddlewareResult> => {
    delivery.call = call;
    const name = policy.name ?? call.path;
    if (delivery.over || delivery.claim !== claim || delivery.subject.procedure !== name) {
      throw new OperationMisuse(`${name} was called with a context that was made for another call`);
    }
    const principal = options.principalOf(call.ctx);
    if (principal !== delivery.principal) {
      throw new OperationMisuse(
        `createContext of the worker made a context of somebody else: scope says '${principal}', the operation was accepted for '${delivery.principal}'`,
      );
    }
    delivery.ran ??= handlerOf(call)(delivery.operation);
    const data = await delivery.ran;
    if (isRefusal(data)) throw asFinalError(data.error);
    return succeeded(data, call);
  };

  const claim = withOwnShapes(builder, async (call) => {
    const { semel } = options;
    const { envelope, delivery, reader } = enteredOf(call);
    if (delivery !== undefined) return deliver(delivery, call);
    const outer = outerOperation(call.ctx);
    if (outer !== undefined) {
      const procedure = policy.name ?? call.path;
      const handler = async (operation: Operation) => {
        const returned = await handlerOf(call)(operation);
        if (isRefusal(returned)) throw asFinalError(returned.error);
        return parseOutput(returned, call);
      };
      const entered = enteredOf(call);
      // A middleware that calls `next` twice gets one execution.
      entered.nested ??= semel.engine.runNested(outer, { procedure, mode: policy.mode }, handler);
      return succeeded(await entered.nested, call);
    }
    const context = options.contextOf(call.ctx);
    if (context === undefined) {
      throw new TRPCError({
        code: 'INTERNAL_SERVER_ERROR',
        message:
          'The context has no `idempotency`: put idempotencyContext({ req, info }) into it in createContext',
      });
    }
    const procedure = policy.name ?? call.path;
    const batchIndex = call.batchIndex ?? 0;
    // Made by a handler with the context of its request: the header's keys are for the calls of that request.
    const isInside = context.own?.has(reader) === false;
    const admittedKey = admitKey(isInside ? INSIDE : context.carriers, envelope, batchIndex);
    if (!admittedKey.ok) throw refusalBeforeClaim(admittedKey.code, admittedKey.reason);
    if (isInside && admittedKey.key === undefined) refuseInside(procedure, policy, context);
    const input = await call.getRawInput();
    const principal = options.principalOf(call.ctx);
    const { minKeyLength } = options;
    let admitted: Admitted;
    try {
      admitted = admitRequest({ policy, procedure, principal, key: admittedKey.key, input, minKeyLength });
    } catch (error) {
      throw trpcErrorFromAdmission(error);
    }

    const result = await semel.engine.run(
      {
        ...admitted,
        procedure,
        policy,
        failures: { statusOf: statusOfTrpcError, describe: (error) => describe(error, call) },
        outcomes,
        parseOutput: outputs.length === 0 ? undefined : (value) => parseOutput(value, call),
        trace: traceOf('request', context.traceId),
        clientVersion: context.clientVersion,
        queued: policy.mode === 'queued' ? { principal, input } : undefined,
      },
      handlerOf(call),
    );
    if (context.carriers.calls > 0 && !isInside) {
      const location = (operationId: string) => options.locationOf(operationId, config);
      context.outcomes.push(outcomeOf(result, batchIndex, location));
    }
    return answer(result, policy, call);
  });

  const arranged = builder.use(claim);
  const { scope, semel } = options;
  markWorkable(claim, {
    semel,
    policy,
    outcomes,
    parseOutput: outputs.length === 0 ? undefined : parseOutput,
    describe,
  });
  markInspectable(claim, { given, policy, scope, store: semel.store, own: [enter] });
  arranged._def.middlewares = [enter, ...others, claim];
  return arranged;
}

/** What a call carries that no request has made. */
const INSIDE = internalIdempotencyContext().carriers;

/** Under a key of the request two calls would be one operation; without any, each retry of the request would run it anew. */
function refuseInside(procedure: string, { key }: Policy, { carriers }: IdempotencyContext): void {
  const isKeyed = carriers.key !== undefined || carriers.keys !== undefined;
  if (key === 'derived' || (key === 'optional' && !isKeyed)) return;
  throw new TRPCError({
    code: 'INTERNAL_SERVER_ERROR',
    message: `${procedure} was called from within the server with the context of a request, whose keys are for the calls of that request: give it { ...ctx, idempotency: internalIdempotencyContext(key) }`,
  });
}

/** A handler that calls another procedure with its own context hands its operation on. */
function outerOperation(ctx: object): Operation | undefined {
  const { operation } = ctx as { operation?: Partial<Operation> };
  const isOurs = typeof operation?.refuse === 'function' && typeof operation.childKey === 'function';
  return isOurs ? (operation as Operation) : undefined;
}

/** The application's own transformer, so that types which only it knows survive; superjson where it has none. */
function serializerOf(config: AnyBuilder['_def']['config']): Serializer | undefined {
  const transformer = config?.transformer.output;
  const probe = { at: new Date(0) };
  return transformer === undefined || transformer.serialize(probe) === probe ? undefined : transformer;
}
