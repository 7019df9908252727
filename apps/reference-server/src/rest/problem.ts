import { STATUS_CODES } from 'node:http';
import {
  createProblem,
  HEADER,
  type IdempotencyProblem,
  type ProblemCode,
  problemRow,
  retryAfterSeconds,
} from '@semel/contract/v1/pure';
import { isIdempotencyError } from '@semel/server';
import { problemDocument } from '@semel/server/http';
import { TRPCError } from '@trpc/server';
import { getHTTPStatusCodeFromError } from '@trpc/server/http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ZodError } from 'zod';
import { problemType } from './accept.ts';

/** A refusal, ready to be sent. */
export interface Problem {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** RFC 9457. */
  readonly document: object;
}

/** Thrown before a procedure is called, with what its caller is to see. */
export class RestRefusal extends Error {
  override readonly name = 'RestRefusal';
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(`Refused with ${problem.status}`);
    this.problem = problem;
  }
}

export function answerProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  const { status, headers, document } = problem;
  return reply
    .status(status)
    .headers({ 'cache-control': 'private, no-store', ...headers })
    .type(`${problemType(request.headers.accept)}; charset=utf-8`)
    .send(JSON.stringify(document));
}

/** What is wrong with one member of the input. Says nothing of the value. */
interface Issue {
  readonly path: string;
  readonly message: string;
}

/**
 * Any error as the problem that its caller sees. Only what was written for callers gets out: messages of the
 * application's own errors below 500, and those above that name a code of their own (502, 503).
 */
export function problemFromError(error: unknown, limits: { readonly bodyLimitBytes: number }): Problem {
  if (error instanceof RestRefusal) return error.problem;
  if (error instanceof TRPCError) return fromTrpc(error);
  const { statusCode, code, message } = error as { statusCode?: number; code?: string; message?: string };
  if (statusCode === undefined || statusCode < 400 || statusCode >= 500)
    return plain(500, 'Internal server error');
  if (statusCode === 413) return plain(413, `The request body is larger than ${limits.bodyLimitBytes} bytes`);
  if (statusCode === 415) return plain(415, 'The body has to be JSON: send Content-Type: application/json');
  if (code === 'FST_ERR_BAD_URL') return plain(400, 'The path is not well-formed');
  return plain(
    statusCode,
    statusCode === 429 ? (message ?? '') : (DETAILS[code ?? ''] ?? 'The request is not valid HTTP'),
  );
}

/** Messages of the framework are replaced: some of them repeat what the caller sent. */
const DETAILS: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'The body is not as long as Content-Length says',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'The body is empty',
  FST_ERR_MAX_PARAM_LENGTH: 'The path is too long',
};

function fromTrpc(error: TRPCError): Problem {
  const { cause, code } = error;
  const status = getHTTPStatusCodeFromError(error);
  if (isIdempotencyError(cause)) return fromIdempotency(cause.problem, cause.message, status);
  if (cause instanceof ZodError) {
    const issues = cause.issues.map(({ path, message }) => ({ path: path.join('.'), message }));
    return plain(status, detailOf(issues), { code, issues });
  }
  if (code === 'INTERNAL_SERVER_ERROR') return plain(500, 'Internal server error', { code });
  return plain(status, error.message, { code }, status === 401 ? { 'www-authenticate': 'Bearer' } : {});
}

/** Before anything was begun. */
export const storeUnavailable = (detail: string): Problem =>
  fromIdempotency(createProblem('store_unavailable'), detail, 503);

/** Where the refusal itself says no more than its title: what a person at a terminal wants to know next. */
const EXPLAINED: Partial<Record<ProblemCode, string>> = {
  key_reused: 'This key came before, with another input. Nothing was done',
  key_expired:
    'This key is older than what is remembered: nobody can tell whether it was used. Nothing was done',
  in_flight: 'An earlier request under this key is still at work. Ask again with the same key',
  outcome_unknown:
    'It is not known whether an earlier attempt took effect. Keep the key, and ask again later',
  lease_lost: 'Another attempt under this key has taken over. Ask again with the same key',
  outcome_gone: 'It was done, and its answer is not kept any more. It is not done again',
  store_unavailable: 'Nothing was begun. Ask again with the same key',
};

function fromIdempotency(problem: IdempotencyProblem, message: string, status: number): Problem {
  const said = message.startsWith(`${problem.code}: `) ? message.slice(problem.code.length + 2) : message;
  const detail = said === problemRow(problem.code).title ? (EXPLAINED[problem.code] ?? said) : said;
  const { operationId, retryAfterMs } = problem;
  return {
    status,
    headers: {
      ...(retryAfterMs !== undefined && { [HEADER.retryAfter]: String(retryAfterSeconds(retryAfterMs)) }),
      ...(operationId !== undefined && { [HEADER.operation]: operationId }),
    },
    document: problemDocument(problem, { status, detail }),
  };
}

export function plain(
  status: number,
  detail: string,
  members: { readonly code?: string; readonly issues?: readonly Issue[] } = {},
  headers: Problem['headers'] = {},
): Problem {
  const title = STATUS_CODES[status] ?? 'Error';
  return { status, headers, document: { type: 'about:blank', title, status, detail, ...members } };
}

const MOST_ISSUES = 5;

function detailOf(issues: readonly Issue[]): string {
  const said = issues
    .slice(0, MOST_ISSUES)
    .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
  const more = issues.length - said.length;
  return `The input is not valid. ${said.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}
