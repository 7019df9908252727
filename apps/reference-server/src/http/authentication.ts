import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Authenticate, Authentication } from '../access/authenticate.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; `undefined` on routes that ask nobody. */
    authentication: Authentication | undefined;
  }
}

const ASKED = /^\/(?:trpc|v1|idempotency)(?![\w-])/;

/** Routes that are no procedure's (health, metrics, the OpenAPI document) ask for no key. */
export const needsKey = (request: FastifyRequest): boolean =>
  ASKED.test(request.routeOptions.url ?? request.url); // the route's: a URL may be absolute, or escape what needs no escaping

/** Finds out who asks before anything is counted, read or parsed. Refusing is the procedures' part. */
export function authenticateRequests(app: FastifyInstance, authenticate: Authenticate): void {
  app.decorateRequest('authentication', undefined);
  app.addHook('onRequest', async (request, reply) => {
    if (!needsKey(request)) return;
    reply.header('cache-control', 'private, no-store'); // one tenant's answers, errors and statuses included
    request.authentication = await authenticate(request.headers.authorization);
  });
}
