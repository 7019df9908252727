import type { FastifyBaseLogger, FastifyServerOptions } from 'fastify';
import type { Settings } from '../settings.ts';

export type Logger = Pick<FastifyBaseLogger, 'info' | 'warn' | 'error' | 'debug'>;

/** Anything with `write`: standard output, or a test's ear. */
export interface LogStream {
  write(line: string): void;
}

/**
 * What of an error may be logged; the logger applies it to every `err`. Never the whole: a provider's error carries headers and the raw answer, a
 * database's error the values of a row.
 */
export function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code, statusCode, requestId } = error as {
    code?: unknown;
    statusCode?: unknown;
    requestId?: unknown;
  };
  return {
    type: error.name,
    message: error.message,
    ...(typeof code === 'string' && { code }),
    ...(typeof statusCode === 'number' && { statusCode }),
    ...(typeof requestId === 'string' && { requestId }),
    ...(error.cause instanceof Error && { cause: describeError(error.cause) }),
    ...(error.stack !== undefined && {
      at: error.stack
        .split('\n')
        .slice(1, 4)
        .map((line) => line.trim()),
    }),
  };
}

/** Never a query string (tRPC puts inputs there), never a header, never a body. */
export function loggerOptions(
  { logLevel }: Settings,
  stream: LogStream | undefined,
): FastifyServerOptions['logger'] {
  return {
    level: logLevel,
    ...(stream !== undefined && { stream }),
    serializers: {
      req: (request) => ({
        method: request.method,
        path: request.url?.split('?', 1)[0],
        remoteAddress: request.ip ?? '',
      }),
      res: (reply) => ({ statusCode: reply.statusCode }),
      err: describeError as never,
      error: describeError as never,
    },
  };
}
