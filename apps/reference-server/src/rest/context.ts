import { idempotencyContext } from '@semel/server/trpc';
import type { FastifyRequest } from 'fastify';
import { traceIdOf, UNKNOWN } from '../http/context.ts';
import type { Context } from '../procedures/trpc.ts';
import { ONE_CALL } from './input.ts';
import type { RestOperation } from './routes.ts';

/** A procedure's context for one REST request, saying about keys what the request's headers said. */
export function contextOf(request: FastifyRequest, { kind }: RestOperation): Context {
  const traceId = traceIdOf(request.headers.traceparent) ?? request.id;
  const idempotency = idempotencyContext({ req: request, traceId });
  const { carriers } = idempotency;
  return {
    idempotency: {
      ...idempotency,
      carriers: {
        ...carriers,
        // A query has no key of its own: where it asks about one, the header is input.
        key: kind === 'mutation' ? carriers.key : undefined,
        keys: carriers.keys && (() => ({ ok: false, reason: ONE_CALL })),
      },
    },
    authenticate: async () => request.authentication ?? UNKNOWN,
    isOverLimit: async () => undefined, // counted at the door
  };
}
