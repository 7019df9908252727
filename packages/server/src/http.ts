/** The HTTP adapter: `Request` in, `Response` out, once. */

// Any framework that speaks Fetch: Hono, Next.js, Bun, Deno, Workers.

export {
  type HttpIdempotency,
  type HttpIdempotencyOptions,
  httpIdempotency,
  type RouteCall,
} from './adapters/http/http-idempotency.ts';
export { BodyAlreadyRead } from './adapters/http/read-body.ts';
export type { RoutePolicy } from './adapters/http/route-policy.ts';
export { DANGEROUSLY_SHARE_KEYS_BETWEEN_ALL_CALLERS } from './admission/scope.ts';

// Node's own requests: node:http, Express, Fastify.

export { type NodeContext, type NodeHandler, sendToNode, toNodeHandler } from './adapters/http/node.ts';
export { keepRawBody, type NodeRequestOptions, requestFromNode } from './adapters/http/node-request.ts';

// Browsers on another origin.

export { CORS_ALLOW_HEADERS, CORS_EXPOSE_HEADERS } from '@semel/contract/v1/pure';
export { exposeIdempotencyHeaders } from './adapters/http/cors.ts';

// Refusals.

export {
  type ProblemDocument,
  type ProblemResponseInit,
  problemDocument,
  problemResponse,
} from './adapters/http/problem.ts';
