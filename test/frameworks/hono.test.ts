import type { Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { listening } from './listening.ts';
import { describeFramework } from './suite.ts';

describeFramework('Hono', ({ create, upload, form, ship, status }) => {
  const app = new Hono();
  app.post('/orders', (c) => create(c.req.raw));
  app.post('/files', (c) => upload(c.req.raw));
  app.post('/forms', (c) => form(c.req.raw));
  app.post('/ship', (c) => ship(c.req.raw));
  app.get('/idempotency/operations/:id?', (c) => status(c.req.raw));
  app.onError((_error, c) => c.json({ message: 'Internal' }, 500));
  return listening(createAdaptorServer({ fetch: app.fetch }) as Server);
});
