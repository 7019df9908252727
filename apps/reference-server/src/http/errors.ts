import { TRPCError } from '@trpc/server';
import { getHTTPStatusCodeFromError } from '@trpc/server/http';
import { TRPC_ERROR_CODES_BY_KEY } from '@trpc/server/rpc';
import type { FastifyError, FastifyInstance } from 'fastify';
import superjson from 'superjson';

const CODES: Readonly<Record<number, TRPCError['code']>> = {
  400: 'BAD_REQUEST',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  429: 'TOO_MANY_REQUESTS',
  503: 'SERVICE_UNAVAILABLE',
};

/**
 * What is refused at the door, before tRPC sees it (too large, too often, not JSON), is answered as tRPC would answer it,
 * so that clients find code and status where they always find them. One object also answers a whole batch.
 */
export function shapeErrors(
  app: FastifyInstance,
  { bodyLimitBytes }: { readonly bodyLimitBytes: number },
): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const status = error.statusCode !== undefined && error.statusCode >= 400 ? error.statusCode : 500;
    if (status >= 500) request.log.error({ err: error }, 'request failed');
    const message =
      status === 413
        ? `The request body is larger than ${bodyLimitBytes} bytes`
        : status >= 500
          ? 'Internal server error'
          : error.message;
    const code = CODES[status] ?? (status >= 500 ? 'INTERNAL_SERVER_ERROR' : 'BAD_REQUEST');
    return reply.status(status).send(bodyFrom(code, message));
  });
  app.setNotFoundHandler((_request, reply) =>
    reply.status(404).send(bodyFrom('NOT_FOUND', 'There is nothing here')),
  );
}

function bodyFrom(code: TRPCError['code'], message: string): object {
  const httpStatus = getHTTPStatusCodeFromError(new TRPCError({ code }));
  return {
    error: superjson.serialize({ message, code: TRPC_ERROR_CODES_BY_KEY[code], data: { code, httpStatus } }),
  };
}
