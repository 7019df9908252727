import { requestFromNode } from '@semel/server/http';
import { type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { describeFramework, type Served } from './suite.ts';

describeFramework('Fastify', async ({ create, upload, form, ship, status }): Promise<Served> => {
  const app = fastify();
  // In the scope of these routes bodies stay bytes: what they mean is for the routes to say.
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    const serve =
      (route: (request: Request) => Promise<Response>) =>
      async ({ raw, body }: FastifyRequest, reply: FastifyReply) =>
        reply.send(await route(requestFromNode(raw, { body: body as Buffer | undefined })));
    scope.post('/orders', serve(create));
    scope.post('/files', serve(upload));
    scope.post('/forms', serve(form));
    scope.post('/ship', serve(ship));
    // Named, because Fastify's own HEAD routes can't answer with a Response.
    const method = ['GET', 'HEAD'];
    scope.route({ method, url: '/idempotency/operations', handler: serve(status) });
    scope.route({ method, url: '/idempotency/operations/:id', handler: serve(status) });
  });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  return { url, close: () => app.close() };
});
