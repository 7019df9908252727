import { createRig, type Rig } from '@semel/reference-server/testing';
import { build } from 'esbuild';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, inject } from 'vitest';
import { LAB } from './lab/server.ts';
import { controlNetwork, type Network } from './network.ts';

/** The reference server as it is, with a database and a payment provider of its own, that count what was done. */
export async function startShop(options: Parameters<typeof createRig>[1] = {}): Promise<Shop> {
  const rig = await createRig(inject('databaseUrl'), options);
  afterAll(() => rig.close());
  return {
    rig,
    url: rig.server.url,
    orders: async (sku) => {
      const { rows } = await rig.database.pool.query<{ n: number }>(
        'SELECT count(*)::int AS n FROM shop.orders WHERE sku = $1',
        [sku],
      );
      return rows[0]?.n ?? -1;
    },
    charges: async (reference) => (await rig.sim.charges(reference)).length,
  };
}

export interface Shop {
  readonly rig: Rig;
  readonly url: string;
  /** How often something was ordered: rows in the server's database. */
  orders(sku: string): Promise<number>;
  /** How often something was paid: charges in the provider's book. */
  charges(reference: string): Promise<number>;
}

const contexts: BrowserContext[] = [];
afterEach(async () => {
  for (const context of contexts.splice(0)) await context.close();
});

export interface Profile {
  readonly context: BrowserContext;
  /** A new tab with the lab's page. */
  lab(): Promise<Page>;
  /** A new tab. */
  tab(path: string): Promise<Page>;
}

/** A browser profile of its own: storage, tabs, network. It is closed after the test. */
export async function newProfile(
  browser: Browser,
  origin: string,
): Promise<Profile & { readonly network: Network }> {
  const profile = await newPlainProfile(browser, origin);
  const network = await controlNetwork(profile.context);
  await serveLab(profile.context);
  return { ...profile, network };
}

/** The same, with nothing between its pages and the server: who serves the lab's page is the server's business. */
export async function newPlainProfile(browser: Browser, origin: string): Promise<Profile> {
  const context = await browser.newContext();
  contexts.push(context);
  const tab = async (path: string) => {
    const page = await context.newPage();
    await page.goto(origin + path);
    return page;
  };
  return {
    context,
    tab,
    async lab() {
      const page = await tab('/lab');
      await page.waitForFunction(() => 'lab' in window);
      return page;
    },
  };
}

/** A page with the client library, at the server's own address. */
export async function serveLab(context: BrowserContext): Promise<void> {
  const body = await labScript();
  await context.route('**/lab.js', (route) => route.fulfill({ contentType: 'text/javascript', body }));
  await context.route('**/lab', (route) => route.fulfill({ contentType: 'text/html', body: LAB }));
}

export const labScript = (): Promise<string> =>
  (script ??= bundle(new URL('./lab/page.ts', import.meta.url)));
let script: Promise<string> | undefined;

/** What a bundler would make of a page's script. */
export async function bundle(entry: URL, options: { alias?: Record<string, string> } = {}): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry.pathname],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    absWorkingDir: import.meta.dirname,
    conditions: ['@semel/source'],
    define: { 'process.env.NODE_ENV': '"development"' },
    write: false,
    ...options,
  });
  return (outputFiles[0] as { text: string }).text;
}

/** The renderer process dies, as if out of memory. */
export async function crash(page: Page): Promise<void> {
  const gone = new Promise<void>((resolve) => void page.once('crash', () => resolve()));
  const devtools = await page.context().newCDPSession(page);
  devtools.send('Page.crash').catch(() => {});
  await gone;
}
