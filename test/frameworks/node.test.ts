import { createServer } from 'node:http';
import { toNodeHandler } from '@semel/server/http';
import { listening } from './listening.ts';
import { describeFramework } from './suite.ts';

describeFramework('node:http', ({ create, upload, form, ship, status }) =>
  listening(
    createServer(
      toNodeHandler(
        (request) => {
          const { pathname } = new URL(request.url);
          if (pathname.startsWith('/idempotency/operations')) return status(request);
          const route = { '/orders': create, '/files': upload, '/forms': form, '/ship': ship }[pathname];
          return route === undefined ? new Response(null, { status: 404 }) : route(request);
        },
        { onError: () => {} },
      ),
    ),
  ),
);
