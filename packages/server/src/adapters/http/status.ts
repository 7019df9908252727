import {
  createProblem,
  HEADER,
  type OperationStatus,
  parseKeyHeader,
  retryAfterSeconds,
  type StatusInput,
} from '@semel/contract/v1/pure';
import { isStoreUnavailable } from '../../store/port.ts';
import { isName, ownOperation, statusFrom } from '../operation-status.ts';
import { passedOn } from './answer.ts';
import { NO_STORE, plainProblem, problemResponse } from './problem.ts';
import type { RouteOptions } from './route.ts';
import { isResponse } from './snapshot.ts';

/**
 * What is known about an operation, for a client that lost its answer. Another principal's operation looks like none.
 * `not_found` means not recorded; it doesn't mean that it won't happen.
 */
export function serveStatus(options: RouteOptions) {
  const { store, engine } = options.semel;

  async function serve(request: Request, context: readonly unknown[]): Promise<Response> {
    const accept = request.headers.get('accept');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      const headers = { Allow: 'GET, HEAD' };
      return plainProblem(405, 'A status is read with GET', 'This address takes GET and HEAD', {
        accept,
        headers,
      });
    }
    const principal = await options.principalOf(request, context);
    if (typeof principal !== 'string' || principal === '') {
      return plainProblem(401, 'Nobody is authenticated', 'An operation is shown to its own principal', {
        accept,
      });
    }
    const asked = askedFor(request);
    if (asked !== undefined && 'code' in asked) {
      const { code, detail } = asked;
      return problemResponse(createProblem(code), { accept, docs: options.docs, detail });
    }
    if (asked === undefined) {
      const detail = `Ask for …/operations/{operationId}, or for …/operations?procedure=… with the key in ${HEADER.key}`;
      return plainProblem(400, 'Which operation?', detail, { accept });
    }
    const found = await ownOperation(store, asked, principal);
    if (found !== undefined) return statusAnswer(await statusFrom(engine, found));
    return statusAnswer(
      'operationId' in asked
        ? { state: 'not_found', operationId: asked.operationId }
        : { state: 'not_found', procedure: asked.procedure },
    );
  }

  return async (request: Request, ...context: readonly unknown[]): Promise<Response> => {
    try {
      return await serve(request, context);
    } catch (error) {
      if (isResponse(error)) return passedOn(error);
      if (!isStoreUnavailable(error)) throw error;
      const accept = request.headers.get('accept');
      return problemResponse(createProblem('store_unavailable'), { accept, docs: options.docs });
    }
  };
}

interface Wrong {
  readonly code: 'key_malformed' | 'key_missing';
  readonly detail: string;
}

/** `undefined`: nothing was asked for. */
function askedFor(request: Request): StatusInput | Wrong | undefined {
  const { pathname, searchParams } = new URL(request.url);
  const [, segment] = /\/operations\/([^/]+)\/?$/.exec(pathname) ?? [];
  if (segment !== undefined) {
    const operationId = unescaped(segment);
    return isName(operationId) ? { operationId } : undefined;
  }
  const procedure = searchParams.get('procedure');
  if (!isName(procedure)) return undefined;
  if (request.headers.has(HEADER.keys)) {
    return { code: 'key_malformed', detail: `A status is asked for one key: send ${HEADER.key}` };
  }
  const header = request.headers.get(HEADER.key);
  if (header === null) return { code: 'key_missing', detail: `Send the key to ask about in ${HEADER.key}` };
  const parsed = parseKeyHeader(header);
  return parsed.ok ? { procedure, key: parsed.key.key } : { code: 'key_malformed', detail: parsed.reason };
}

function unescaped(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function statusAnswer(status: OperationStatus): Response {
  const headers = new Headers({ 'Content-Type': 'application/json', 'Cache-Control': NO_STORE });
  if (status.state !== 'not_found') {
    headers.set(HEADER.operation, status.operationId);
    if (status.retryAfterMs !== undefined) {
      headers.set(HEADER.retryAfter, String(retryAfterSeconds(status.retryAfterMs)));
    }
  }
  // 200 for `not_found` as well: it is an answer of the contract, and the 404 of a proxy must not pass for one.
  return new Response(JSON.stringify(status), { headers });
}
