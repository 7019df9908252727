import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const SYSTEM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Milliseconds of one mutation in a real browser, by way; `undefined` where there is none. */
export async function measureInChromium(
  rounds = 9,
  mutations = 200,
): Promise<Record<string, number> | undefined> {
  const executablePath = SYSTEM.find((path) => existsSync(path));
  if (executablePath === undefined) return undefined;
  const { outputFiles } = await build({
    entryPoints: [new URL('in-page.ts', import.meta.url).pathname],
    bundle: true,
    format: 'iife',
    conditions: ['@semel/source'],
    write: false,
    logLevel: 'error',
  });
  const script = outputFiles[0]?.text ?? '';
  // A page of its own origin: about:blank has no database.
  const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<p>'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.evaluate(script);
    const found = await page.evaluate(
      ([each, of]) =>
        (
          globalThis as unknown as { measure(a: number, b: number): Promise<Record<string, number[]>> }
        ).measure(each, of),
      [rounds, mutations] as const,
    );
    return Object.fromEntries(
      Object.entries(found).map(([name, all]) => [
        name,
        [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? Number.NaN,
      ]),
    );
  } finally {
    await browser.close();
    server.close();
  }
}
