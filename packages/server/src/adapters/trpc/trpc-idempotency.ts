import type { TRPCProcedureBuilder } from '@trpc/server';
import { TRPCError } from '@trpc/server';
import { type IdempotencyPolicy, PolicyError, policyOn } from '../../admission/policy.ts';
import { DANGEROUSLY_SHARE_KEYS_BETWEEN_ALL_CALLERS } from '../../admission/scope.ts';
import type { Operation } from '../../engine/operation.ts';
import type { Semel } from '../../semel.ts';
import type { IdempotencyContext } from './idempotency-context.ts';
import { arrange, type ProcedureOptions } from './procedure.ts';
import { type ResponseMeta, responseMeta } from './response-meta.ts';
import { type StatusProcedure, statusProcedure } from './status.ts';
import { statusAddress } from './status-address.ts';
import {
  type StatusUpdatesOptions,
  type StatusUpdatesProcedure,
  statusUpdatesProcedure,
} from './status-updates.ts';
import type { AnyBuilder } from './trpc-internals.ts';

/** What `.meta()` may say: `initTRPC.meta<IdempotencyMeta>()`, or your own meta type that extends it. */
export interface IdempotencyMeta {
  readonly idempotency?: IdempotencyPolicy;
  /** Findings of `inspect` that are meant so, by code, each with its reason. Changes nothing about a request. */
  readonly acceptedFindings?: Readonly<Record<string, string>>;
}

/** What {@link trpcIdempotency} takes. */
export interface TrpcIdempotencyOptions<Ctx, Tx> {
  readonly semel: Semel<Tx>;
  /**
   * Who asks, from what was authenticated: tenant and/or user. Never from a header or an input that the caller chooses.
   * A call for which it is empty is refused as UNAUTHORIZED.
   */
  readonly scope: ((ctx: Ctx) => string | undefined) | typeof DANGEROUSLY_SHARE_KEYS_BETWEEN_ALL_CALLERS;
  /** Where the request's {@link IdempotencyContext} is in your context. @default ctx.idempotency */
  readonly context?: (ctx: Ctx) => IdempotencyContext | undefined;
  /** Shorter keys are refused as malformed. Short keys collide and can be guessed. @default 1 */
  readonly minKeyLength?: number;
  /**
   * Where the status of an operation is, for `Location` of a 202: an absolute address, a path, or relative to the call's own.
   * @default where tRPC's own client looks, the query `idempotency.status` beside the call, once `status()` has made one
   * @example statusUrl: (operationId) => `/idempotency/operations/${operationId}`
   */
  readonly statusUrl?: (operationId: string) => string;
}

/**
 * A builder like the one that was wrapped, whose resolvers get `ctx.operation`.
 * `.query()` and `.subscription()` are refused when they are defined: idempotency is for mutations.
 */
export type WithOperation<B, Tx> =
  B extends TRPCProcedureBuilder<
    infer Context,
    infer Meta,
    infer Overrides,
    infer InputIn,
    infer InputOut,
    infer OutputIn,
    infer OutputOut,
    infer Caller,
    infer ErrorShape
  >
    ? TRPCProcedureBuilder<
        Context,
        Meta,
        Omit<Overrides, 'operation'> & { operation: Operation<Tx> },
        InputIn,
        InputOut,
        OutputIn,
        OutputOut,
        Caller,
        ErrorShape
      >
    : never;

/** What {@link trpcIdempotency} gives: a wrapper of builders, and what goes with it. */
export interface TrpcIdempotency<Tx> {
  /**
   * Wraps a procedure builder; everything else is an ordinary chain that ends in `.mutation()`. The claim is made last,
   * right before the resolver, whatever the order of the chain.
   *
   * @example
   * idempotent(t.procedure).meta({ idempotency: { mode: 'atomic' } }).input(Order).mutation(({ input, ctx }) =>
   *   ctx.operation.tx.query('insert into orders …', [input.sku]))
   * @throws PolicyError at `.mutation()`, when the policy is missing or can't mean what it says
   */
  <B extends object>(builder: B): WithOperation<B, Tx>;
  /** The query that answers `idempotency.status`, checked against the caller's scope. */
  status<B extends object>(builder: B): StatusProcedure<B>;
  /**
   * The subscription that tells of an operation's every change, and of its progress, until it is settled. Over
   * `httpSubscriptionLink` (server-sent events) and `wsLink`. Checked like `status`; reconnecting clients miss no end.
   *
   * @example
   * idempotency: t.router({ status: idempotent.status(authed), updates: idempotent.statusUpdates(authed) })
   * client.idempotency.updates.subscribe({ operationId }, {
   *   onData: ({ data }) => data.state !== 'not_found' && show(data.state, data.progress),
   * })
   */
  statusUpdates<B extends object>(builder: B, options?: StatusUpdatesOptions): StatusUpdatesProcedure<B>;
  /** For the HTTP adapter's `responseMeta`: replay mark, operation id, Retry-After, Cache-Control; 202 and Location of what was queued. */
  responseMeta(options: { ctx?: unknown }): ResponseMeta;
}

/**
 * The tRPC adapter on one semel. Make one for each way in which callers are authenticated.
 *
 * @example
 * const idempotent = trpcIdempotency({ semel, scope: (ctx: Context) => ctx.user?.id });
 * @throws PolicyError when there is no scope: keys would be shared between users
 */
export function trpcIdempotency<Ctx, Tx>(options: TrpcIdempotencyOptions<Ctx, Tx>): TrpcIdempotency<Tx> {
  const { semel, scope, minKeyLength = 1 } = options;
  const context = (options.context ??
    ((ctx: Ctx) => (ctx as { idempotency?: IdempotencyContext }).idempotency)) as (
    ctx: unknown,
  ) => IdempotencyContext | undefined;
  const shared = scope === DANGEROUSLY_SHARE_KEYS_BETWEEN_ALL_CALLERS;
  if (!shared && typeof scope !== 'function') {
    throw new PolicyError(
      'idempotency needs a scope: pass scope: (ctx) => ctx.user.id (from authentication), so that no two users share keys',
    );
  }
  let hasStatus = false;
  const procedureOptions: ProcedureOptions = {
    semel: semel as Semel<unknown>,
    scope: shared ? 'shared' : scope,
    contextOf: context,
    minKeyLength,
    locationOf: (operationId, config) =>
      options.statusUrl?.(operationId) ?? (hasStatus ? statusAddress(operationId, config) : undefined),
    principalOf: (ctx) => (shared ? '(shared)' : scopeFrom(scope(ctx as Ctx))),
  };

  const wrap = <B extends object>(builder: B): WithOperation<B, Tx> =>
    wrapBuilder(builder as unknown as AnyBuilder, procedureOptions) as unknown as WithOperation<B, Tx>;
  return Object.assign(wrap, {
    status: <B extends object>(builder: B) => {
      hasStatus = true;
      return statusProcedure(builder, procedureOptions);
    },
    statusUpdates: <B extends object>(builder: B, updates: StatusUpdatesOptions = {}) =>
      statusUpdatesProcedure(builder, procedureOptions, updates),
    responseMeta: ({ ctx }: { ctx?: unknown }) => responseMeta(ctx === undefined ? undefined : context(ctx)),
  });
}

function scopeFrom(scope: string | undefined): string {
  if (typeof scope === 'string' && scope !== '') return scope;
  throw new TRPCError({
    code: 'UNAUTHORIZED',
    message: 'This call has no principal to scope its idempotency key to: authenticate before it',
  });
}

/** Every builder method gives a wrapped builder again; only `.mutation` is ours. */
function wrapBuilder(builder: AnyBuilder, options: ProcedureOptions): AnyBuilder {
  return new Proxy(builder, {
    get(target, name) {
      if (name === 'mutation') return (resolver: unknown) => defineMutation(target, resolver, options);
      if (name === 'query' || name === 'subscription') {
        return () => {
          throw new PolicyError(`idempotency is for mutations: build this ${name} from the plain procedure`);
        };
      }
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => wrapBuilder(value.apply(target, args) as AnyBuilder, options);
    },
  });
}

function defineMutation(builder: AnyBuilder, resolver: unknown, options: ProcedureOptions): unknown {
  const given = builder._def.meta?.idempotency as IdempotencyPolicy | undefined;
  if (given === undefined) {
    throw new PolicyError(
      "an idempotent mutation needs a policy: .meta({ idempotency: { mode: 'atomic' } }), { mode: 'leased' } or { mode: 'queued' }",
    );
  }
  const policy = policyOn(options.semel.engine, given);
  return arrange(builder, given, policy, options).mutation(resolver);
}
