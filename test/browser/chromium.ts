import { existsSync } from 'node:fs';
import { type Browser, chromium, type LaunchOptions } from 'playwright-core';
import { afterAll, describe, test, vi } from 'vitest';

const places = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];
const executablePath = places.find((place) => place !== undefined && existsSync(place));
const missing = 'no Chromium on this machine: install one, or set CHROMIUM_PATH to it';

/**
 * `describe` for tests that need a browser. Without one they are skipped, and the reason is printed; in CI (`CI=true`) that
 * is a failure, unless `SEMEL_NO_BROWSER=1` says that there is none on purpose.
 */
export function describeInChromium(name: string, body: () => void): void {
  if (executablePath !== undefined && process.env.SEMEL_NO_BROWSER !== '1') {
    vi.setConfig({ testTimeout: 60_000 }); // a page takes its time on a machine that is busy
    describe(name, body);
    return;
  }
  const reason = process.env.SEMEL_NO_BROWSER === '1' ? 'SEMEL_NO_BROWSER=1' : missing;
  if (process.env.CI === 'true' && process.env.SEMEL_NO_BROWSER !== '1') {
    test(`${name}: a browser is there`, () => {
      throw new Error(`${reason}; SEMEL_NO_BROWSER=1 goes without`);
    });
    return;
  }
  console.warn(`skipped: ${name} (${reason})`);
  describe.skip(`${name} (${reason})`, body);
}

const QUIET = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-gpu',
];

/** A browser that ends with the test file. */
export async function launchChromium(options: LaunchOptions = {}): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: executablePath as string,
    ...options,
    args: [...QUIET, ...(options.args ?? [])],
  });
  afterAll(() => browser.close());
  return browser;
}
