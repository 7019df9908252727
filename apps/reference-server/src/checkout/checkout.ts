import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { FastifyInstance } from 'fastify';

/**
 * A page that pays with the real client library, and shows what happens underneath. It carries the public demo key, so it is
 * served only where demo keys are let in.
 */
export function addCheckout(app: FastifyInstance): void {
  const route = { config: { rateLimit: false as const }, logLevel: 'warn' as const };
  const send = (path: string, type: string, make: () => Promise<string>) =>
    app.get(path, { ...route, helmet: { contentSecurityPolicy: POLICY } }, async (_request, reply) =>
      reply
        .type(type)
        .header('cache-control', 'no-cache')
        .send(await make()),
    );
  send('/checkout', 'text/html; charset=utf-8', () => readFile(file('index.html'), 'utf8'));
  send('/checkout/style.css', 'text/css; charset=utf-8', () => readFile(file('style.css'), 'utf8'));
  send('/checkout/page.js', 'text/javascript; charset=utf-8', () => (script ??= bundle(file('main.ts'))));
}

const file = (name: string): string => fileURLToPath(new URL(`./page/${name}`, import.meta.url));

/** Nothing inline and nobody else's. No upgrade to https: a page on plain http has to work, on other hosts too. */
const POLICY = {
  useDefaults: false,
  directives: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", 'data:'],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
};

let script: Promise<string> | undefined;

/** From source, when the page is first asked for: nothing has to be built before a server starts. */
async function bundle(entry: string): Promise<string> {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    conditions: ['@semel/source'],
    define: { 'process.env.NODE_ENV': '"development"' }, // with the client's warnings
    legalComments: 'none',
    write: false,
  });
  return (outputFiles[0] as { text: string }).text;
}
