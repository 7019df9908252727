import type { IncomingMessage, ServerResponse } from 'node:http';
import { requestFromNode, UnusableRequest } from './node-request.ts';
import { plainProblem } from './problem.ts';

/** What a route gets behind its request when Node serves it. */
export interface NodeContext {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/** For `node:http` and for Express. */
export type NodeHandler = (
  req: IncomingMessage,
  res: ServerResponse,
  next?: (error: unknown) => void,
) => void;

/**
 * Serves a fetch handler with `node:http` or Express: `createServer(toNodeHandler(route))`,
 * `app.post('/orders', toNodeHandler(route))`. The route finds `{ req, res }` behind its request, and with them what
 * middlewares in front have left there. A caller that hangs up changes nothing about what runs.
 *
 * What the route throws goes to `next` where there is one, else to `onError`, and is answered 500.
 *
 * @param options.onError @default console.error
 */
export function toNodeHandler(
  handler: (request: Request, context: NodeContext) => Response | Promise<Response>,
  options: { readonly onError?: (error: unknown) => void } = {},
): NodeHandler {
  const { onError = console.error } = options;
  const serve = async (...[req, res, next]: Parameters<NodeHandler>): Promise<void> => {
    try {
      await sendToNode(res, await handler(requestFromNode(req), { req, res }));
    } catch (error) {
      if (error instanceof UnusableRequest) {
        await sendToNode(res, plainProblem(400, 'Bad Request', error.message));
        return;
      }
      if (typeof next === 'function') return next(error);
      onError(error);
      if (res.headersSent) res.destroy();
      else await sendToNode(res, plainProblem(500, 'Internal Server Error', 'The request failed'));
    }
  };
  return (req, res, next) => void serve(req, res, next);
}

/**
 * Writes a response as fast as its caller takes it, holding no more of a stream than one chunk. To a caller that is gone
 * nothing is written, and the stream is cancelled.
 *
 * @throws what the response's stream fails with: headers are sent by then
 */
export async function sendToNode(res: ServerResponse, response: Response): Promise<void> {
  const { body } = response;
  if (res.destroyed || res.writableEnded) {
    await body?.cancel().catch(() => undefined);
    return;
  }
  // What the caller is still sending nobody reads: the connection is of no use after this answer.
  if (!res.req.complete) res.shouldKeepAlive = false;
  res.writeHead(response.status, nodeHeaders(response.headers));
  if (body === null || res.req.method === 'HEAD') {
    res.end();
    await body?.cancel().catch(() => undefined);
    return;
  }
  const reader = body.getReader();
  const gone = (): void => void reader.cancel().catch(() => undefined);
  res.once('close', gone);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || res.destroyed) break;
      if (!res.write(value)) await drained(res);
    }
    res.end();
  } finally {
    res.off('close', gone);
  }
}

const drained = (res: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const go = (): void => {
      res.off('drain', go);
      res.off('close', go);
      resolve();
    };
    res.on('drain', go);
    res.on('close', go);
    if (res.destroyed) go();
  });

function nodeHeaders(headers: Headers): Record<string, string | string[]> {
  const named: Record<string, string | string[]> = {};
  for (const [name, value] of headers) if (name !== 'set-cookie') named[name] = value;
  const cookies = headers.getSetCookie();
  if (cookies.length > 0) named['set-cookie'] = cookies;
  return named;
}
