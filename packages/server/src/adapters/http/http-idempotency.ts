import { PolicyError } from '../../admission/policy.ts';
import { DANGEROUSLY_SHARE_KEYS_BETWEEN_ALL_CALLERS } from '../../admission/scope.ts';
import type { Operation } from '../../engine/operation.ts';
import type { Refusal } from '../../engine/refusal.ts';
import type { Semel } from '../../semel.ts';
import { type RouteCode, type RouteOptions, serveOnce } from './route.ts';
import { type RoutePolicy, routeFrom } from './route-policy.ts';
import { serveStatus } from './status.ts';

type Awaitable<T> = T | Promise<T>;
// biome-ignore lint/suspicious/noExplicitAny: behind what scope knows comes what the framework passes to this one route
type Behind<Context extends readonly unknown[]> = [...Context, ...any[]];

/** What {@link httpIdempotency} takes. */
export interface HttpIdempotencyOptions<Tx, Context extends readonly unknown[]> {
  readonly semel: Semel<Tx>;
  /**
   * Who asks, from what was authenticated: tenant and/or user. Never from a header, path or body that the caller chooses.
   * Gets the request, whose body it must leave alone, and whatever the framework passes behind it. Empty: 401. A response
   * that it throws is the answer.
   */
  readonly scope:
    | ((request: Request, ...context: Context) => Awaitable<string | undefined>)
    | typeof DANGEROUSLY_SHARE_KEYS_BETWEEN_ALL_CALLERS;
  /** Shorter keys are refused as malformed. Short keys collide and can be guessed. @default 1 */
  readonly minKeyLength?: number;
  /** Where people read about refusals: problem answers link to it, with the code as fragment. */
  readonly docs?: string;
  /**
   * Name and version of the caller's software, for whoever looks for a broken one: up to 64 letters, digits and
   * `. _ / + -`. @default the first word of `User-Agent`
   */
  readonly clientVersion?: (request: Request) => string | undefined;
}

/** What a handler gets beside its request. */
export interface RouteCall<Tx, Admitted = undefined> {
  /** The way to make effects part of the operation. On safe methods (GET, HEAD, OPTIONS, TRACE) using it throws. */
  readonly operation: Operation<Tx>;
  /** What `admit` made of the request. */
  readonly admitted: Admitted;
  /** The request as the framework passed it, of its own class; its body has been read. */
  readonly original: Request;
}

/** What {@link httpIdempotency} gives: a wrapper of handlers, and the status endpoint. */
export interface HttpIdempotency<Tx, Context extends readonly unknown[]> {
  /**
   * Makes a handler one that runs once per key: `(request, …context) => Promise<Response>`.
   *
   * What its answer says decides: below 400 it is stored and replayed; 400, 402, 403, 404, 409, 410 and 422 are final
   * failures, stored and replayed, their writes rolled back (`return operation.refuse(response)` keeps them); everything
   * else is passed on to this one caller, its writes rolled back and nothing stored. The same goes for errors thrown.
   * Safe methods pass through, key or not.
   *
   * @example
   * const create = idempotent({ name: 'orders.create', mode: 'atomic' }, async (request, { operation }) => {
   *   const { sku } = await request.json();
   *   const { rows } = await operation.tx.query('insert into orders …', [sku]);
   *   return Response.json(rows[0], { status: 201 });
   * });
   * @throws PolicyError when the policy can't mean what it says
   */
  <Rest extends readonly [...Context, ...unknown[]], Admitted = undefined>(
    policy: RoutePolicy & {
      /**
       * Parsers and guards, which run before anything is claimed: a response that it returns is the answer, anything else
       * the handler finds as `admitted`.
       */
      readonly admit?: (request: Request, ...context: Behind<Context>) => Awaitable<Admitted | Response>;
    },
    handler: (
      request: Request,
      call: RouteCall<Tx, Exclude<Admitted, Response>>,
      ...context: Rest
    ) => Awaitable<Response | Refusal>,
  ): (request: Request, ...context: Rest) => Promise<Response>;
  /**
   * The status endpoint, for `GET /idempotency/operations/{operationId}` and `GET /idempotency/operations?procedure=…`
   * with the key in `Idempotency-Key`. Checked against the caller's scope: another's operation looks like none.
   * That one isn't recorded is an answer too: 200 with `state: "not_found"`, never a 404.
   */
  status(): (request: Request, ...context: Context) => Promise<Response>;
}

/**
 * The HTTP adapter on one semel, for any framework that speaks Fetch. Make one for each way in which callers are authenticated.
 *
 * @example
 * const idempotent = httpIdempotency({ semel, scope: async (request) => (await authenticated(request)).tenant });
 * @throws PolicyError when there is no scope: keys would be shared between users
 */
export function httpIdempotency<Tx, Context extends readonly unknown[] = []>(
  options: HttpIdempotencyOptions<Tx, Context>,
): HttpIdempotency<Tx, Context> {
  const { semel, scope, minKeyLength = 1, docs, clientVersion } = options;
  const shared = scope === DANGEROUSLY_SHARE_KEYS_BETWEEN_ALL_CALLERS;
  if (!shared && typeof scope !== 'function') {
    throw new PolicyError(
      'idempotency needs a scope: pass scope: (request) => the authenticated user, so that no two users share keys',
    );
  }
  const principalOf = async (request: Request, context: readonly unknown[]): Promise<string | undefined> =>
    shared ? '(shared)' : scope(request, ...(context as Context));
  const routes: RouteOptions = {
    semel: semel as Semel<unknown>,
    scope: shared ? 'shared' : scope,
    principalOf,
    minKeyLength,
    docs,
    clientVersion,
  };

  const wrap = (policy: RoutePolicy & Pick<RouteCode, 'admit'>, handler: RouteCode['handler']) => {
    const { admit, ...rest } = policy;
    return serveOnce(routes, routeFrom(rest, routes.semel), { admit, handler });
  };
  return Object.assign(wrap, { status: () => serveStatus(routes) }) as unknown as HttpIdempotency<
    Tx,
    Context
  >;
}
