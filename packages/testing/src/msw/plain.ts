import { type IdempotencyProblem, problemRow, retryAfterSeconds } from '@semel/contract/v1/pure';
import { type HttpHandler, HttpResponse, http } from 'msw';
import { keysOf } from './keys.ts';
import type { Operations } from './operations.ts';
import { headersOf } from './trpc.ts';

/** What a mocked route is asked. */
export interface MockedRequest {
  readonly url: URL;
  readonly headers: Headers;
  readonly params: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Parsed where it is JSON, else text. */
  // biome-ignore lint/suspicious/noExplicitAny: whoever writes a route knows what its client sends
  readonly body: any;
}

export interface PlainMocks {
  /** Where the server is: `https://api.example.com`. */
  readonly url: string;
  /** What routes answer, by method and path: `'POST /orders': ({ body }) => ({ id: 'o-1' })`. A `Response` is sent as it is. */
  readonly routes: Readonly<Record<string, (request: MockedRequest) => unknown>>;
  /** @default '/idempotency/operations' */
  readonly statusPath?: string;
}

const METHODS = { POST: http.post, PUT: http.put, PATCH: http.patch, DELETE: http.delete } as const;

interface Stored {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: ArrayBuffer;
}

/** @throws TypeError for a route that isn't written as `'POST /orders'` */
export function plainHandlers(
  { url, routes, statusPath = '/idempotency/operations' }: PlainMocks,
  operations: Operations,
  retryAfterMs: number,
): HttpHandler[] {
  const base = url.replace(/\/$/, '');
  const handlers = Object.entries(routes).map(([name, mock]) => {
    const [method = '', path = ''] = name.split(' ');
    const handle = Object.hasOwn(METHODS, method) ? METHODS[method as keyof typeof METHODS] : undefined;
    if (handle === undefined || !path.startsWith('/')) {
      throw new TypeError(
        `a route is written as 'POST /orders' (${Object.keys(METHODS).join(', ')}): ${name}`,
      );
    }
    return handle(`${base}${path}`, async ({ request, params }) => {
      const text = await request.text();
      const { headers } = request;
      const [of] = keysOf(headers, [undefined]);
      if (of === undefined || 'problem' in of) return problemAnswer(of?.problem as IdempotencyProblem);
      const told = await operations.ask({
        name,
        scope: headers.get('authorization') ?? '',
        key: of.key,
        input: [request.url, bodyOf(headers, text)],
        run: async () =>
          stored(await mock({ url: new URL(request.url), headers, params, body: bodyOf(headers, text) })),
      });
      switch (told.kind) {
        case 'lost':
          return HttpResponse.error();
        case 'problem':
          return problemAnswer(told.problem);
        case 'refused': {
          const { status, message } = told.error;
          const mark: Record<string, string> = told.replayed ? { 'Idempotency-Replayed': 'true' } : {};
          return HttpResponse.json(
            { type: 'about:blank', title: message, status },
            { status, headers: { ...mark, 'content-type': 'application/problem+json' } },
          );
        }
        case 'accepted': {
          const { operationId } = told;
          return HttpResponse.json(
            { $idempotency: 'accepted', operationId, pollAfterMs: retryAfterMs },
            {
              status: 202,
              headers: {
                ...headersOf(told),
                Location: `${new URL(base).pathname.replace(/\/$/, '')}${statusPath}/${operationId}`,
                'Retry-After': `${retryAfterSeconds(retryAfterMs)}`,
                'Cache-Control': 'private, no-store',
              },
            },
          );
        }
        case 'done': {
          const { value, replayed } = told;
          const answer = new Headers(value.headers as [string, string][]);
          answer.set('Cache-Control', 'private, no-store');
          for (const [header, line] of Object.entries(headersOf(told))) answer.set(header, line);
          if (replayed) {
            answer.set('Idempotency-Replayed', 'true');
            answer.delete('set-cookie');
          }
          const { status } = value;
          const empty = status === 204 || status === 304;
          return new HttpResponse(empty ? null : value.body.slice(0), { status, headers: answer });
        }
      }
    });
  });
  const status = http.get(`${base}${statusPath}/:operationId`, async ({ params }) => {
    const found = await operations.status(String(params.operationId));
    return HttpResponse.json(
      { ...found, retryAfterMs },
      { headers: { 'Cache-Control': 'private, no-store' } },
    );
  });
  return [...handlers, status];
}

async function stored(answered: unknown): Promise<Stored> {
  const response = answered instanceof Response ? answered : HttpResponse.json(answered as never);
  return { status: response.status, headers: [...response.headers], body: await response.arrayBuffer() };
}

function bodyOf(headers: Headers, text: string): unknown {
  if (!/\bjson\b/.test(headers.get('content-type') ?? 'application/json')) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function problemAnswer(problem: IdempotencyProblem): Response {
  const { httpStatus, title, type } = problemRow(problem.code);
  return HttpResponse.json(
    { type, title, status: httpStatus, ...problem },
    {
      status: httpStatus,
      headers: {
        ...headersOf({ kind: 'problem', problem }),
        'content-type': 'application/problem+json',
        'Cache-Control': 'private, no-store',
      },
    },
  );
}
