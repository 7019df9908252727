import { HEADER, type IdempotencyProblem, problemRow, retryAfterSeconds } from '@semel/contract/v1/pure';
import { problemTypeFor } from './accept.ts';

/** No cache on the way may keep what is about to change, or is one caller's alone. */
export const NO_STORE = 'private, no-store';

/** A problem of the contract as RFC 9457 has it: the contract's members stand beside `type`, `title` and `status`. */
export interface ProblemDocument extends Partial<Omit<IdempotencyProblem, 'code'>> {
  /** A stable identifier per code, described in docs/reference/problems.md. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** What was wrong with this request. Never repeats a key. */
  readonly detail?: string;
  readonly code?: IdempotencyProblem['code'];
}

/** What {@link problemDocument} takes. */
export interface ProblemOptions {
  /** Where a policy chooses another than the table's, as `mismatchStatus` does for `key_reused`. @default the table's */
  readonly status?: number | undefined;
  readonly detail?: string | undefined;
}

/** The problem+json object of a refusal. `parseIdempotencyProblem` reads it back. */
export function problemDocument(problem: IdempotencyProblem, options: ProblemOptions = {}): ProblemDocument {
  const row = problemRow(problem.code);
  const status =
    options.status === row.alternative?.httpStatus ? row.alternative?.httpStatus : row.httpStatus;
  return {
    type: row.type,
    title: row.title,
    status: status ?? row.httpStatus,
    ...(options.detail !== undefined && { detail: options.detail }),
    ...problem,
  };
}

/** What {@link problemResponse} takes. */
export interface ProblemResponseInit extends ProblemOptions {
  /** The request's `Accept`. @default application/problem+json */
  readonly accept?: string | null | undefined;
  /** Where people read about it: `Link: <…#code>; rel="describedby"`. */
  readonly docs?: string | undefined;
}

/**
 * The answer to a refused call: problem+json, or plain JSON or text for a caller that accepts nothing else, with
 * `Retry-After` where the same request may be answered otherwise later, `Idempotency-Operation` where known, and `no-store`.
 *
 * @example
 * return problemResponse(createProblem('in_flight'), { accept: request.headers.get('accept') })
 */
export function problemResponse(problem: IdempotencyProblem, init: ProblemResponseInit = {}): Response {
  const headers = new Headers();
  if (problem.operationId !== undefined) headers.set(HEADER.operation, problem.operationId);
  if (problem.retryAfterMs !== undefined) {
    headers.set(HEADER.retryAfter, String(retryAfterSeconds(problem.retryAfterMs)));
  }
  if (init.docs !== undefined) {
    headers.set('Link', `<${init.docs}#${problem.code}>; rel="describedby"; type="text/html"`);
  }
  return documentResponse(problemDocument(problem, init), init.accept, headers);
}

/** A refusal that isn't the contract's: no principal, too large a body, a method that doesn't exist. */
export function plainProblem(
  status: number,
  title: string,
  detail: string,
  init: { readonly accept?: string | null; readonly headers?: Record<string, string> } = {},
): Response {
  const document: ProblemDocument = { type: 'about:blank', title, status, detail };
  return documentResponse(document, init.accept, new Headers(init.headers));
}

function documentResponse(
  document: ProblemDocument,
  accept: string | null | undefined,
  headers: Headers,
): Response {
  const type = problemTypeFor(accept);
  const body = type === 'text/plain' ? textOf(document) : JSON.stringify(document);
  headers.set('Content-Type', type === 'text/plain' ? 'text/plain; charset=utf-8' : type);
  headers.set('Content-Length', String(Buffer.byteLength(body)));
  headers.set('Cache-Control', NO_STORE);
  headers.append('Vary', 'Accept');
  return new Response(body, { status: document.status, headers });
}

function textOf({ title, detail, code, retryAfterMs }: ProblemDocument): string {
  const lines = [title, detail, code && `code: ${code}`, retryAfterMs && `retry after: ${retryAfterMs} ms`];
  return `${lines.filter(Boolean).join('\n')}\n`;
}
