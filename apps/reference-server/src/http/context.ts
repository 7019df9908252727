import type { IncomingMessage } from 'node:http';
import { idempotencyContext } from '@semel/server/trpc';
import type { TRPCRequestInfo } from '@trpc/server/http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Authenticate, Authentication } from '../access/authenticate.ts';
import type { Context } from '../procedures/trpc.ts';

interface Call {
  /** A socket hands over the raw request that opened it. */
  readonly req: FastifyRequest | IncomingMessage;
  readonly info: TRPCRequestInfo;
}

/** Who asks where nobody was asked who it is. */
export const UNKNOWN: Authentication = { kind: 'unknown' };
const TRACEPARENT = /^[\da-f]{2}-([\da-f]{32})-[\da-f]{16}-[\da-f]{2}$/;

/** Makes procedures' contexts for both carriers, HTTP and sockets. */
export function createContexts(app: FastifyInstance, authenticate: Authenticate): (call: Call) => Context {
  const upgrades = new WeakMap<IncomingMessage, FastifyRequest>();
  app.addHook('onRequest', async (request) => {
    if (request.headers.upgrade !== undefined) upgrades.set(request.raw, request);
  });
  const limiter = app.createRateLimit();

  return ({ req, info }) => {
    if ('raw' in req) {
      return {
        idempotency: idempotencyContext({ req, info, traceId: traceIdOf(req.headers.traceparent) ?? req.id }),
        authenticate: async () => req.authentication ?? UNKNOWN,
        isOverLimit: async () => undefined,
      };
    }
    const opened = upgrades.get(req);
    // Browsers can't set headers on a socket: there the key comes in the connection's parameters.
    const authorization = req.headers.authorization ?? info.connectionParams?.authorization ?? undefined;
    return {
      idempotency: idempotencyContext({ req, info, traceId: opened?.id }),
      async authenticate() {
        const authentication = await authenticate(authorization);
        if (opened !== undefined) opened.authentication = authentication;
        return authentication;
      },
      async isOverLimit() {
        if (opened === undefined) return undefined;
        const limit = await limiter(opened);
        return limit.isAllowed || !limit.isExceeded ? undefined : { retryAfterMs: limit.ttl };
      },
    };
  };
}

/** The caller's own trace, where it has one: then its spans and our audit rows are found by one id. */
export const traceIdOf = (header: string | string[] | undefined): string | undefined =>
  typeof header === 'string' ? TRACEPARENT.exec(header)?.[1] : undefined;
