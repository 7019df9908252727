import { CORS_EXPOSE_HEADERS } from '@semel/contract/v1/pure';

type FetchHandler<Context extends readonly unknown[]> = (
  request: Request,
  ...context: Context
) => Response | Promise<Response>;

/**
 * Lets a browser's code read the contract's headers on every answer to another origin, errors too. Put it around the routes
 * or the whole application; answers to requests without `Origin`, and preflights, stay as they are. Which origins may ask at
 * all is your own CORS policy's to say: give it `CORS_ALLOW_HEADERS`.
 */
export function exposeIdempotencyHeaders<Context extends readonly unknown[]>(
  handler: FetchHandler<Context>,
): (request: Request, ...context: Context) => Promise<Response> {
  return async (request, ...context) => {
    const response = await handler(request, ...context);
    const { headers } = request;
    if (!headers.has('origin') || headers.has('access-control-request-method')) return response;
    const exposed = (response.headers.get(EXPOSE) ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '');
    const known = new Set(exposed.map((name) => name.toLowerCase()));
    const missing = CORS_EXPOSE_HEADERS.filter((name) => !known.has(name.toLowerCase()));
    const merged = new Headers(response.headers);
    merged.set(EXPOSE, [...exposed, ...missing].join(', '));
    return new Response(response.body, {
      status: response.status,
      statusText: response.statusText,
      headers: merged,
    });
  };
}

const EXPOSE = 'Access-Control-Expose-Headers';
