import { createServer } from 'node:http';
import { toNodeHandler } from '@semel/server/http';
import { NextRequest } from 'next/server.js';
import { listening } from './listening.ts';
import { describeFramework } from './suite.ts';

/** As Next.js calls a route handler: its own request, and the parameters of the path behind it. */
describeFramework('Next.js route handlers', ({ create, upload, form, ship, status }) => {
  const modules = {
    orders: { POST: create },
    files: { POST: upload },
    forms: { POST: form },
    ship: { POST: ship },
    idempotency: { GET: status, HEAD: status }, // the second one Next.js makes of the first
  };
  return listening(
    createServer(
      toNodeHandler(
        (request) => {
          const next = new NextRequest(request);
          const [, first = ''] = next.nextUrl.pathname.split('/');
          const handlers: Record<string, (request: Request) => Promise<Response>> =
            modules[first as keyof typeof modules];
          const handler = handlers[next.method];
          return handler === undefined ? new Response(null, { status: 405 }) : handler(next);
        },
        { onError: () => {} },
      ),
    ),
  );
});
