// The examples of the README, word for word, against a real server.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initTRPC } from '@trpc/server';
import { createHTTPHandler } from '@trpc/server/adapters/standalone';
import { afterEach, expect, it, vi } from 'vitest';
import { z } from 'zod';
import 'fake-indexeddb/auto';

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
const examples = [...readme.matchAll(/```[jt]s\n([\s\S]*?)```/g)].map(([, example = '']) => example);
const exampleWith = (text: string) => examples.find((example) => example.includes(text)) ?? '';

async function startServer() {
  const t = initTRPC.create();
  const keys: (string | undefined)[] = [];
  const trpc = createHTTPHandler({
    router: t.router({
      orders: {
        create: t.procedure
          .input(z.object({ sku: z.string(), quantity: z.number() }))
          .mutation(({ input }) => ({ id: `order-${input.sku}` })),
      },
    }),
  });
  const http = createServer((req, res) => {
    keys.push(req.headers['idempotency-key']?.toString());
    if (req.url === '/v1/orders') res.writeHead(201).end('{"id":"order-tea"}');
    else trpc(req, res);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  return { url, keys, close: () => http.close() };
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  for (const clean of cleanups.splice(0)) await clean();
});

/** Runs an example as a file of its own; returns what it has logged. */
async function run(example: string, preamble = ''): Promise<unknown[][]> {
  expect(example).not.toBe('');
  const folder = await mkdtemp(join(fileURLToPath(new URL('.', import.meta.url)), '.readme-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const code = example
    .replaceAll("'@semel/client'", "'../index.ts'")
    .replaceAll(/'@semel\/client\/([\w-]+)'/g, "'../$1.ts'");
  const file = join(folder, 'example.ts');
  await writeFile(file, `${preamble}\n${code}\nexport {};`);
  await import(/* @vite-ignore */ file);
  return log.mock.calls;
}

it('the first example runs as it stands there, in 15 lines', async () => {
  const { url, keys, close } = await startServer();
  cleanups.push(close);
  const [example = ''] = examples;
  const lines = example.split('\n').filter((line) => line.trim() && !/^(import|if)/.test(line));
  expect(lines.length).toBeLessThan(15);
  const logged = await run(example, `type AppRouter = any;\nconst url = '${url}';`);
  expect(logged).toEqual([['ordered', 'order-tea']]);
  expect(keys).toEqual([expect.stringMatching(/^"[\w-]{24}"$/)]);
});

it('the example of intents makes one action of three clicks, with two requests', async () => {
  const { url, keys, close } = await startServer();
  cleanups.push(close);
  const logged = await run(
    exampleWith("semel.intent('checkout'"),
    `type AppRouter = any;\nconst url = '${url}';\nconst session = { userId: 'u1' };\nconst cartId = 'cart-7';`,
  );
  expect(logged).toEqual([[1, 'action']]);
  expect(keys).toEqual([expect.stringMatching(/^"[\w-]{24}"$/), `${keys[0]};age=1`]);
});

it('the example of plain requests says what became of the order', async () => {
  const { url, keys, close } = await startServer();
  cleanups.push(close);
  const real = fetch;
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => real(url + path, init));
  const logged = await run(
    exampleWith('keyedFetch(semel)'),
    `import { createSemelClient, keyedFetch } from '../index.ts';\nconst semel = createSemelClient();`,
  );
  expect(logged).toEqual([['ordered', { id: 'order-tea' }]]);
  expect(keys).toEqual(['"basket-17/checkout"']);
});

it('the example of spans makes one span an attempt, and ends each', async () => {
  const { url, close } = await startServer();
  cleanups.push(close);
  const logged = await run(
    exampleWith('tracer.startSpan'),
    `import { createSemelClient, keyedFetch } from '../index.ts';
     const semel = createSemelClient({ retry: { baseMs: 1 } });
     let open = 0;
     const tracer = { startSpan(name, { attributes }) {
       open++;
       const span = { setAttribute: (key, value) => (Object.assign(attributes, { [key]: value }), span),
         end: () => console.log(--open, name.slice(0, 9), attributes) };
       return span;
     } };
     let calls = 0;
     const flaky = (path, init) => calls++ ? fetch('${url}' + path, init) : Promise.reject(new TypeError('lost'));
     export const sent = Promise.resolve().then(() => keyedFetch(semel, flaky)('/v1/orders', { body: '{}' }));`,
  );
  await vi.waitFor(() => expect(logged).toHaveLength(2));
  expect(logged).toEqual([
    [0, 'send POST', { 'semel.attempt': 1, 'semel.end': 'network' }],
    [0, 'send POST', { 'semel.attempt': 2, 'semel.end': 'completed' }],
  ]);
});
