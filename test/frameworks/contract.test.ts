import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { requestFromNode } from '@semel/server/http';
import Fastify from 'fastify';
import { Hono } from 'hono';
import { asks, HTTP, type Start } from '../contract/asks.ts';
import { type Listen, startHttpThings } from '../contract/http-things.ts';

const withHono: Listen = async (handle) => {
  const app = new Hono();
  app.all('*', (context) => handle(context.req.raw));
  const server = await new Promise<ReturnType<typeof serve>>((resolve) => {
    const started = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(started));
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      if ('closeAllConnections' in server) server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

const withFastify: Listen = async (handle) => {
  const app = Fastify({ forceCloseConnections: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.all('*', async ({ raw, body }, reply) =>
    reply.send(await handle(requestFromNode(raw, { body: body as Buffer | undefined }))),
  );
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  return { url, close: () => app.close() };
};

const by =
  (listen: Listen): Start =>
  (world, mode, policy) =>
    startHttpThings(world, mode, policy, listen);

asks({ name: 'HTTP on Hono', capabilities: HTTP, start: by(withHono) }, 'in memory', 'leased', 'wait');
asks(
  { name: 'HTTP on Fastify', capabilities: HTTP, start: by(withFastify) },
  'in memory',
  'atomic',
  'conflict',
);
