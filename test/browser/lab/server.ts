import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createMemoryStore, createSemel } from '@semel/server';
import {
  type IdempotencyContext,
  type IdempotencyMeta,
  idempotencyContext,
  trpcIdempotency,
} from '@semel/server/trpc';
import { initTRPC } from '@trpc/server';
import { createHTTPHandler } from '@trpc/server/adapters/standalone';
import { applyWSSHandler } from '@trpc/server/adapters/ws';
import superjson from 'superjson';
import { WebSocketServer } from 'ws';
import { z } from 'zod';

export const LAB = '<!doctype html><title>lab</title><script type="module" src="/lab.js"></script>';

/** An application's own server, for what the reference server's procedures don't take or give: rich types, forms, files. */
export async function startLabServer(script = '') {
  const executions: { readonly path: string; readonly input: unknown }[] = [];
  const semel = createSemel({ store: createMemoryStore(), recovery: false });
  const t = initTRPC
    .context<{ idempotency: IdempotencyContext }>()
    .meta<IdempotencyMeta>()
    .create({ transformer: superjson, isDev: false });
  const idempotent = trpcIdempotency({ semel, scope: () => 'guest' });
  const keyed = idempotent(t.procedure).meta({ idempotency: { mode: 'leased' } });
  const router = t.router({
    rich: keyed.input(z.object({ at: z.date() })).mutation(({ input }) => {
      executions.push({ path: 'rich', input });
      return {
        at: input.at,
        map: new Map([['tea', { pots: 2 }]]),
        set: new Set(['a', 'b']),
        big: 2n ** 70n,
        nothing: undefined as string | undefined,
        run: executions.length,
      };
    }),
    nothing: keyed.mutation((): void => void executions.push({ path: 'nothing', input: undefined })),
    upload: idempotent(t.procedure)
      .meta({ idempotency: { mode: 'leased', fingerprint: (input) => (input as FormData).get('name') } })
      .input(z.instanceof(FormData))
      .mutation(async ({ input }) => {
        const file = input.get('file') as File;
        executions.push({ path: 'upload', input: [...input.keys()] });
        return { name: file.name, bytes: file.size };
      }),
    order: keyed.input(z.object({ sku: z.string() })).mutation(({ input }) => {
      executions.push({ path: 'order', input });
      return { run: executions.length };
    }),
    idempotency: t.router({ status: idempotent.status(t.procedure) }),
  });
  const createContext = (incoming: Parameters<typeof idempotencyContext>[0]) => ({
    idempotency: idempotencyContext(incoming),
  });
  const { responseMeta } = idempotent;
  const trpc = createHTTPHandler({
    router,
    createContext,
    responseMeta,
    basePath: '/trpc/',
    allowBatching: true,
  });
  const http = createServer((req, res) => {
    if (req.url === '/lab') res.setHeader('content-type', 'text/html').end(LAB);
    else if (req.url === '/lab.js') res.setHeader('content-type', 'text/javascript').end(script);
    else trpc(req, res);
  });
  const wss = new WebSocketServer({ server: http });
  applyWSSHandler({ wss, router, createContext });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return {
    router,
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    executions,
    /** Open sockets of pages. */
    sockets: wss.clients,
    async close() {
      wss.close();
      for (const socket of wss.clients) socket.terminate();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
      await semel.close();
    },
  };
}

export type LabServer = Awaited<ReturnType<typeof startLabServer>>;
export type LabRouter = LabServer['router'];
