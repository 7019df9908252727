// `@semel/client/react` and React Query, in StrictMode, in a real page.
import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { describeInChromium, launchChromium } from './chromium.ts';
import type {} from './lab/react-page.ts';
import { LAB } from './lab/server.ts';
import { bundle, newProfile, type Shop, startShop } from './stage.ts';

const never = new Promise(() => {});
const shows = (page: Page, selector: string, text: string) =>
  page.waitForFunction(([selector, text]) => document.querySelector(selector)?.textContent === text, [
    selector,
    text,
  ] as const);
const pendingAt = (page: Page) => page.locator('#pending li').allTextContents();

const VERSIONS = [
  { react: '19', alias: {} },
  { react: '18', alias: { react: 'react-18', 'react-dom': 'react-dom-18' } },
] as const;

describeInChromium('in Chromium', () => {
  let browser: Browser;
  let shop: Shop;
  beforeAll(async () => {
    shop = await startShop();
    browser = await launchChromium();
  });

  describe.each(VERSIONS)('with React $react', ({ react, alias }) => {
    let script: string;
    beforeAll(async () => {
      script = await bundle(new URL('./lab/react-page.ts', import.meta.url), { alias });
    });
    const open = async (app: 'pay' | 'intent' | 'query', sku: string, more = '') => {
      const profile = await newProfile(browser, shop.url);
      await profile.context.route('**/app.js', (route) =>
        route.fulfill({ contentType: 'text/javascript', body: script }),
      );
      await profile.context.route('**/app?*', (route) =>
        route.fulfill({ contentType: 'text/html', body: LAB.replace('lab.js', 'app.js') }),
      );
      const address = `/app?app=${app}&sku=${sku}-${react}${more}`;
      const page = await profile.tab(address);
      await page.waitForSelector('#pay');
      expect(await page.evaluate(() => window.app.version.split('.')[0])).toBe(react);
      return { ...profile, page, address, orders: () => shop.orders(`${sku}-${react}`) };
    };

    test('mounting makes nothing and sends nothing; a click is one action, in StrictMode too', async () => {
      const { page, network, orders } = await open('pay', 'strict');
      await shows(page, '#status', 'new');
      expect(await page.evaluate(() => window.app.records())).toEqual([]);
      expect(network.sent).toHaveLength(0);
      await page.click('#pay');
      await shows(page, '#status', 'completed');
      await shows(page, '#outcome', 'completed');
      expect(network.sent).toHaveLength(1);
      expect(await orders()).toBe(1);
    });

    test('two clicks in one tick are one action', async () => {
      const { page, network, orders } = await open('pay', 'twice');
      await page.evaluate(() => {
        const button = document.getElementById('pay');
        button?.click();
        button?.click();
      });
      await shows(page, '#outcome', 'completed');
      expect(network.sent).toHaveLength(1);
      expect(await orders()).toBe(1);
    });

    test('unmounted in the middle and mounted again, the component is where the action is', async () => {
      const { page, network, orders } = await open('pay', 'unmounted');
      const arrived = Promise.withResolvers<void>();
      network.next({ answerAfter: arrived.promise });
      await page.click('#pay');
      await shows(page, '#status', 'running');
      await page.click('#toggle');
      await page.waitForSelector('#pay', { state: 'detached' });
      await page.click('#toggle');
      await shows(page, '#status', 'running');
      await page.click('#pay'); // joins
      arrived.resolve();
      await shows(page, '#status', 'completed');
      expect(network.sent).toHaveLength(1);
      expect(await orders()).toBe(1);
    });

    test('the list of pending operations is live, survives a reload, and is empty once all is resumed', async () => {
      const { page, network, orders } = await open('pay', 'pending');
      network.next({ answerAfter: never });
      await page.click('#pay');
      await page.waitForSelector('#pending li');
      expect(await pendingAt(page)).toEqual(['orders.create live']);
      await expect.poll(orders).toBe(1);
      await page.reload();
      await page.waitForSelector('#pending li');
      expect(await pendingAt(page)).toEqual(['orders.create sending']);
      await shows(page, '#status', 'open');
      await page.evaluate(() => window.app.resume());
      await page.waitForSelector('#pending li', { state: 'detached' });
      await shows(page, '#status', 'completed');
      expect(await orders()).toBe(1);
    });

    test('nothing is rendered while nothing happens, and next() makes the next click a new action', async () => {
      const { page, network, orders } = await open('pay', 'calm');
      await page.click('#pay');
      await shows(page, '#status', 'completed');
      const renders = await page.evaluate(async () => {
        const before = window.app.renders();
        for (let i = 0; i < 5; i++) {
          dispatchEvent(new Event('focus'));
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        return window.app.renders() - before;
      });
      expect(renders).toBe(0);
      await page.click('#pay');
      await expect.poll(() => network.sent.length).toBe(2);
      expect(network.sent[1]?.key).toBe(network.sent[0]?.key);
      expect(await orders()).toBe(1);
      await shows(page, '#status', 'completed');
      await page.click('#next');
      await shows(page, '#status', 'new');
      await page.click('#pay');
      await shows(page, '#status', 'completed');
      expect(network.sent[2]?.key).not.toBe(network.sent[0]?.key);
      expect(await orders()).toBe(2);
    });

    test("React Query's own retries carry one key, with and without an intent", async () => {
      for (const kind of ['query', 'intent'] as const) {
        const { page, network, orders } = await open(kind, `retries-${kind}`, '&attempts=1&retry=3');
        network.next('lose', { status: 502 }, 'cut');
        await page.click('#pay');
        await shows(page, '#mutation', 'success');
        expect(network.sent).toHaveLength(4);
        expect(new Set(network.sent.map(({ key }) => key)).size).toBe(1);
        expect(await orders()).toBe(1);
      }
    });

    test('a double submit of a mutation with an intent is one action', async () => {
      const { page, network, orders } = await open('intent', 'submit');
      await page.evaluate(() => {
        const button = document.getElementById('pay');
        button?.click();
        button?.click();
      });
      await shows(page, '#status', 'completed');
      await shows(page, '#mutation', 'success');
      expect(network.sent).toHaveLength(1);
      expect(await orders()).toBe(1);
    });

    test('a mutation that was paused offline and persisted is sent once, after the reload', async () => {
      const { page, network, orders } = await open('query', 'paused');
      await page.evaluate(() => window.app.setOnline(false));
      await page.click('#pay');
      await shows(page, '#mutation', 'pending paused');
      await page.evaluate(() => window.app.persist());
      await page.reload();
      await page.waitForSelector('#pay');
      expect(await page.evaluate(() => window.app.restore())).toEqual({
        found: ['pending paused'],
        after: ['success'],
      });
      expect(network.sent).toHaveLength(1);
      expect(await orders()).toBe(1);
    });

    test('a mutation that was under way at the reload is resumed under the key that it had', async () => {
      const { page, network, orders } = await open('query', 'under-way');
      network.next({ answerAfter: never });
      await page.click('#pay');
      await expect.poll(orders).toBe(1);
      await page.evaluate(() => window.app.persist());
      await page.reload();
      await page.waitForSelector('#pay');
      expect(await page.evaluate(() => window.app.restore())).toEqual({
        found: ['pending'],
        after: ['success'],
      });
      expect(network.sent).toHaveLength(2);
      expect(network.sent[1]?.key).toBe(network.sent[0]?.key);
      expect(await orders()).toBe(1);
    });
  });
});
