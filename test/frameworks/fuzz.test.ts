import { createServer, type Server } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createAdaptorServer } from '@hono/node-server';
import { createMemoryStore, createSemel } from '@semel/server';
import { httpIdempotency, requestFromNode, toNodeHandler } from '@semel/server/http';
import express, { type ErrorRequestHandler } from 'express';
import fc from 'fast-check';
import { fastify } from 'fastify';
import { Hono } from 'hono';
import { NextRequest } from 'next/server.js';
import { expect, test } from 'vitest';
import { type Hostile, hostile, say } from './hostile.ts';
import { listening } from './listening.ts';
import type { Served } from './suite.ts';

/** Requests per adapter. `SEMEL_FUZZ=100000` is the long form, which also watches the heap. */
const COUNT = Number(process.env.SEMEL_FUZZ ?? 1000);
const AT_ONCE = COUNT > 20_000 ? 50 : 10;

type Route = (request: Request) => Promise<Response>;
type Serve = (route: Route, onError: (error: unknown) => void) => Promise<Served>;

const adapters: Record<string, Serve> = {
  'node:http': (route, onError) => listening(createServer(toNodeHandler(route, { onError }))),
  Express(route, onError) {
    const app = express();
    app.use(toNodeHandler(route));
    const last: ErrorRequestHandler = (error, _req, res, _next) => {
      onError(error);
      res.status(500).end();
    };
    app.use(last);
    return listening(createServer(app));
  },
  async Fastify(route, onError) {
    const app = fastify();
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    app.setErrorHandler((error: { statusCode?: number }, _request, reply) => {
      if (error.statusCode === undefined || error.statusCode >= 500) onError(error);
      return reply.status(error.statusCode ?? 500).send();
    });
    app.all('/*', async ({ raw, body }, reply) =>
      reply.send(await route(requestFromNode(raw, { body: body as Buffer | undefined }))),
    );
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    return { url, close: () => app.close() };
  },
  'Next.js': (route, onError) =>
    listening(createServer(toNodeHandler((request) => route(new NextRequest(request)), { onError }))),
  Hono(route, onError) {
    const app = new Hono();
    app.all('*', (c) => route(c.req.raw));
    app.onError((error, c) => {
      onError(error);
      return c.body(null, 500);
    });
    return listening(createAdaptorServer({ fetch: app.fetch }) as Server);
  },
};

/** Answers of every kind, by what is asked for; keeps account of what has to be on record. */
function createRoutes() {
  const store = createMemoryStore();
  const semel = createSemel({ store, recovery: false });
  const recorded = new Set<string>();
  const idempotent = httpIdempotency({
    semel,
    scope: (request) => /^Bearer (\w+)$/.exec(request.headers.get('authorization') ?? '')?.[1],
  });
  const answers: readonly [stored: boolean, () => Response][] = [
    [true, () => Response.json({ ok: true }, { status: 201 })],
    [true, () => new Response(null, { status: 204 })],
    [true, () => new Response(null, { status: 303, headers: { Location: '/elsewhere' } })],
    [true, () => new Response(new Uint8Array([0xff, 0xfe, 0, 1]))],
    [true, () => Response.json({ no: true }, { status: 402 })],
    [false, () => new Response('slower', { status: 429 })],
    [true, () => new Response('z'.repeat(5000))],
  ];
  const route = (mode: 'atomic' | 'leased') =>
    idempotent(
      {
        name: `fuzz.${mode}`,
        mode,
        maxBodyBytes: 30_000,
        maxOutcomeBytes: 4096,
        inFlight: 'conflict',
        async admit(request) {
          const type = request.headers.get('content-type') ?? '';
          if (!type.startsWith('application/json')) return 0;
          const body = await request.json().catch(() => undefined);
          return body === undefined ? new Response(null, { status: 400 }) : Number(body?.n ?? 0);
        },
      },
      async (_request, { operation, admitted }) => {
        const [stored, answer] = answers[Math.abs(admitted) % answers.length] ?? answers[0] ?? [];
        // A released operation keeps its record; of one that was rolled back nothing remains.
        if (stored || mode === 'leased') recorded.add(operation.id);
        return answer?.() ?? new Response(null, { status: 404 });
      },
    );
  const routes: Record<string, Route> = { '/atomic': route('atomic'), '/leased': route('leased') };
  const status = idempotent.status();
  return {
    store,
    semel,
    recorded,
    async serve(request: Request): Promise<Response> {
      const { pathname } = new URL(request.url);
      if (/OPTIONS|TRACE/.test(request.method)) return new Response(null, { status: 204 });
      if (request.method === 'GET' || request.method === 'HEAD') return status(request);
      return routes[pathname]?.(request) ?? new Response(null, { status: 404 });
    },
  };
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
const heapMb = (): number => {
  collectGarbage();
  return process.memoryUsage().heapUsed / 1_048_576;
};

test.each(Object.keys(adapters))(
  `${COUNT} requests of any shape to %s get no 5xx, and only what ran is on record`,
  async (name) => {
    const routes = createRoutes();
    const errors: unknown[] = [];
    const served = await (adapters[name] as Serve)(routes.serve, (error) => errors.push(error));
    const port = Number(new URL(served.url).port);
    let [sent, answered, midway] = [0, 0, 0];
    await fc.assert(
      fc.asyncProperty(
        fc.array(hostile, { minLength: AT_ONCE, maxLength: AT_ONCE }),
        async (batch: Hostile[]) => {
          const statuses = (await Promise.all(batch.map((one) => say(port, one)))).flat();
          expect(errors.splice(0)).toEqual([]);
          expect(statuses.filter((status) => status >= 500)).toEqual([]);
          answered += statuses.length;
          sent += batch.length;
          if (COUNT > 20_000 && midway === 0 && sent > COUNT / 4) midway = heapMb();
        },
      ),
      { numRuns: Math.ceil(COUNT / AT_ONCE), endOnFailure: true },
    );
    await expect.poll(() => routes.semel.engine.active).toBe(0);
    expect((await routes.store.sweepExpired({ limit: 10_000_000 })).examined).toBe(routes.recorded.size);
    // The fuzz reached the handlers, and was mostly answered.
    expect(routes.recorded.size).toBeGreaterThan(30);
    expect(answered).toBeGreaterThan(sent / 2);
    expect(({} as { polluted?: unknown }).polluted).toBe(undefined);
    if (midway > 0) expect(heapMb() - midway).toBeLessThan(20);
    await served.close();
    await routes.semel.close();
  },
  120_000 + COUNT * 30,
);
