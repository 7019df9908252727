import { TRPCError } from '@trpc/server';
import { getHTTPStatusCodeFromError } from '@trpc/server/http';
import { TRPC_ERROR_CODES_BY_KEY } from '@trpc/server/rpc';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import superjson from 'superjson';
import { answerProblem, plain, problemFromError } from '../rest/problem.ts';
import { Overloaded } from './overload.ts';

const CODES: Readonly<Record<number, TRPCError['code']>> = {
  400: 'BAD_REQUEST',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  429: 'TOO_MANY_REQUESTS',
  503: 'SERVICE_UNAVAILABLE',
};

interface Limits {
  readonly bodyLimitBytes: number;
}

const isTrpc = ({ url }: FastifyRequest): boolean => url.startsWith('/trpc');

/**
 * What is refused at the door, before a procedure is called (too large, too often, not JSON): as tRPC would answer it
 * under `/trpc`, so that clients find code and status where they always find them, and as a problem document elsewhere.
 */
export function shapeErrors(app: FastifyInstance, limits: Limits): void {
  app.setErrorHandler(createErrorAnswer(limits));
  app.setNotFoundHandler((request, reply) =>
    isTrpc(request)
      ? reply.status(404).send(bodyFrom('NOT_FOUND', 'There is nothing here'))
      : answerProblem(request, reply, plain(404, 'There is nothing here')),
  );
}

/** Also for what is refused before there is a route (`frameworkErrors`). */
export function createErrorAnswer(limits: Limits) {
  return (error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    if (isTrpc(request)) return answerTrpc(error, request, reply, limits);
    const problem = problemFromError(error, limits);
    if (problem.status === 415) reply.header('accept-post', 'application/json');
    // One line for each refusal would be more work than what is refused.
    if (problem.status >= 500 && !(error instanceof Overloaded))
      request.log.error({ err: error }, 'request failed');
    return answerProblem(request, reply, problem);
  };
}

/** One object also answers a whole batch. */
function answerTrpc(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
  { bodyLimitBytes }: Limits,
): FastifyReply {
  const status = statusOf(error);
  const isOverload = error instanceof Overloaded;
  if (status >= 500 && !isOverload) request.log.error({ err: error }, 'request failed');
  const message =
    status === 413
      ? `The request body is larger than ${bodyLimitBytes} bytes`
      : status >= 500 && !isOverload
        ? 'Internal server error'
        : error.message;
  const code = CODES[status] ?? (status >= 500 ? 'INTERNAL_SERVER_ERROR' : 'BAD_REQUEST');
  return reply.status(status).send(bodyFrom(code, message));
}

/** tRPC throws its own where it can't make a request of what came: an empty or impossible `Host` is no URL. */
function statusOf(error: FastifyError): number {
  if (error instanceof TRPCError) return getHTTPStatusCodeFromError(error);
  return error.statusCode !== undefined && error.statusCode >= 400 ? error.statusCode : 500;
}

function bodyFrom(code: TRPCError['code'], message: string): object {
  const httpStatus = getHTTPStatusCodeFromError(new TRPCError({ code }));
  return {
    error: superjson.serialize({ message, code: TRPC_ERROR_CODES_BY_KEY[code], data: { code, httpStatus } }),
  };
}
