import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join, resolve } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import type { Express } from 'express';
import type { FastifyInstance } from 'fastify';
import type { Hono } from 'hono';
import { NextRequest } from 'next/server.js';
import { beforeAll, expect, test } from 'vitest';
import { listening } from './listening.ts';
import type { Served } from './suite.ts';

/** The guide's examples as files beside this one, where the frameworks are. */
const folder = join(import.meta.dirname, '.generated');
beforeAll(() => {
  const guide = readFileSync(resolve(import.meta.dirname, '../../docs/guides/http.md'), 'utf8');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const blocks = [...guide.matchAll(/^```ts framework=(\S+)\n(.*?)^```$/gms)];
  expect(blocks.map(([, name]) => name)).toEqual([
    'orders.ts',
    'hono.ts',
    'route.ts',
    'express.ts',
    'fastify.ts',
  ]);
  for (const [, name = '', text = ''] of blocks) writeFileSync(join(folder, name), text);
});
const example = async <T>(name: string): Promise<T> => (await import(join(folder, name))) as T;

const order = (key: string) => ({
  method: 'POST',
  headers: { authorization: 'ann', 'idempotency-key': key, 'content-type': 'application/json' },
  body: '{"sku":"book"}',
});

const apps: Record<string, () => Promise<Served>> = {
  async hono() {
    const { app } = await example<{ app: Hono }>('hono.ts');
    return listening(createAdaptorServer({ fetch: app.fetch }) as Server);
  },
  async express() {
    return listening(createServer((await example<{ app: Express }>('express.ts')).app));
  },
  async fastify() {
    const { app } = await example<{ app: FastifyInstance }>('fastify.ts');
    return { url: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() };
  },
};

test.each(Object.keys(apps))('the example for %s runs once, replays, and tells its status', async (name) => {
  const { url, close } = await (apps[name] as () => Promise<Served>)();
  const first = await fetch(`${url}/orders`, order(name));
  const again = await fetch(`${url}/orders`, order(name));
  expect([first.status, again.status, again.headers.get('idempotency-replayed')]).toEqual([201, 201, 'true']);
  expect(await again.text()).toBe(await first.text());
  const id = first.headers.get('idempotency-operation');
  const status = await fetch(`${url}/idempotency/operations/${id}`, { headers: { authorization: 'ann' } });
  expect(await status.json()).toMatchObject({
    operationId: id,
    procedure: 'orders.create',
    state: 'completed',
  });
  const byKey = await fetch(`${url}/idempotency/operations?procedure=orders.create`, {
    headers: { authorization: 'ann', 'idempotency-key': name },
  });
  expect(await byKey.json()).toMatchObject({ operationId: id });
  await close();
});

test('the example for Next.js has its parameters behind the request', async () => {
  const { POST } = await example<{
    POST(request: Request, context: { params: Promise<{ shop: string }> }): Promise<Response>;
  }>('route.ts');
  const params = Promise.resolve({ shop: 'corner' });
  const send = () => POST(new NextRequest('http://localhost/orders', order('next')), { params });
  const first = await send();
  expect([first.status, await first.json()]).toEqual([201, { shop: 'corner', sku: 'book' }]);
  expect((await send()).headers.get('idempotency-replayed')).toBe('true');
});
