import { createServer } from 'node:http';
import { keepRawBody, toNodeHandler } from '@semel/server/http';
import express, { type ErrorRequestHandler } from 'express';
import { expect, test } from 'vitest';
import type { Routes } from './application.ts';
import { listening } from './listening.ts';
import { describeFramework } from './suite.ts';

const mount = (app: express.Express, { create, upload, form, ship, status }: Routes) => {
  app.post('/orders', toNodeHandler(create));
  app.post('/files', toNodeHandler(upload));
  app.post('/forms', toNodeHandler(form));
  app.post('/ship', toNodeHandler(ship));
  app.get('/idempotency/operations{/:id}', toNodeHandler(status));
  const onError: ErrorRequestHandler = (error, _req, res, _next) => {
    res.status(error.status ?? 500).json({ message: 'Internal' });
  };
  app.use(onError);
};

describeFramework('Express', (routes) => {
  const app = express();
  mount(app, routes);
  return listening(createServer(app));
});

describeFramework('Express behind its own JSON parser', (routes) => {
  const app = express();
  app.use(express.json({ verify: keepRawBody }));
  mount(app, routes);
  return listening(createServer(app));
});

test('a body that was parsed without keeping its bytes is refused with what to do about it', async () => {
  const app = express();
  let seen: unknown;
  app.use(express.json());
  app.post(
    '/',
    toNodeHandler(async () => new Response('not reached')),
  );
  const onError: ErrorRequestHandler = (error, _req, res, _next) => {
    seen = error;
    res.status(500).end();
  };
  app.use(onError);
  const { url, close } = await listening(createServer(app));
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(url, { method: 'POST', headers, body: '{}' });
  expect(answer.status).toBe(500);
  expect(seen).toMatchObject({
    name: 'BodyAlreadyRead',
    message: expect.stringContaining('express.json({ verify: keepRawBody })'),
  });
  await close();
});
