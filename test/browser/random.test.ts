// Random shoppers on the checkout page: they click, reload, close, crash, go offline, lose answers and open tabs, by a seed.
import type { Browser, Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import { describeInChromium, launchChromium } from './chromium.ts';
import { crash, newProfile, type Shop, startShop } from './stage.ts';

/** SEMEL_BROWSER_RUNS=200 for the long form; SEMEL_BROWSER_SEED=n repeats one. */
const RUNS = Number(process.env.SEMEL_BROWSER_RUNS ?? 25);
const ONE = process.env.SEMEL_BROWSER_SEED;
const SEEDS = ONE === undefined ? Array.from({ length: RUNS }, (_, i) => i + 1) : [Number(ONE)];
const STEPS = 7;

describeInChromium('random shoppers, in Chromium', () => {
  let browser: Browser;
  let shop: Shop;
  beforeAll(async () => {
    shop = await startShop();
    browser = await launchChromium();
  });

  test.each(SEEDS)(
    'of seed %i pay once, and every page ends with the truth',
    { timeout: 90_000 },
    async (seed) => {
      const random = createRandom(seed);
      const pick = <T>(...of: T[]): T => of[Math.floor(random() * of.length)] as T;
      const { context, network, tab } = await newProfile(browser, shop.url);
      const cart = `SEED${seed}X${Date.now().toString(36)}`;
      const address = `/checkout?cart=${cart}&qty=2.1&card=${pick('ok', 'ok', 'slow', 'lost')}`;
      const pages: Page[] = [await tab(address)];
      const told: string[] = [];
      /** A page that a step before has killed on its way is no news. */
      const inPage = (page: Page, act: (page: Page) => Promise<unknown>) => act(page).catch(() => {});
      const click = (page: Page, times: number) =>
        inPage(page, (page) =>
          page.evaluate((times) => {
            for (let i = 0; i < times; i++) {
              // On a page that has paid, the same button begins another order.
              if (document.getElementById('page')?.dataset.state !== 'done')
                document.getElementById('pay')?.click();
            }
          }, times),
        );
      const steps: Record<string, (page: Page) => Promise<unknown>> = {
        click: (page) => click(page, 1),
        'double click': (page) => click(page, 2),
        reload: (page) => inPage(page, (page) => page.reload()),
        close: (page) => inPage(page, (page) => page.close()),
        crash: async (page) => {
          await inPage(page, crash);
          await page.close();
        },
        offline: () => context.setOffline(true),
        online: () => context.setOffline(false),
        'switch offline': (page) => inPage(page, (page) => page.click('#switch-offline', { timeout: 500 })),
        'lose the next answer': async () => network.next('lose'),
        'cut the next request': async () => network.next('cut'),
        'second tab': async () => pages.push(await tab(address)),
      };
      const weights: (keyof typeof steps)[] = [
        ...[
          'click',
          'click',
          'click',
          'double click',
          'double click',
          'reload',
          'reload',
          'close',
          'crash',
          'crash',
        ],
        ...['offline', 'online', 'online', 'switch offline', 'switch offline'],
        ...[
          'lose the next answer',
          'lose the next answer',
          'cut the next request',
          'second tab',
          'second tab',
        ],
      ];
      let offline = false;
      for (let i = 0; i < STEPS; i++) {
        const step = i === 0 ? 'click' : pick(...weights);
        // No page can be loaded without a network.
        if (offline && (step === 'reload' || step === 'second tab')) continue;
        for (const page of [...pages]) if (page.isClosed()) pages.splice(pages.indexOf(page), 1);
        if (pages.length === 0) {
          if (offline) break;
          pages.push(await tab(address));
        }
        told.push(step);
        await steps[step]?.(pick(...pages));
        if (step === 'offline' || step === 'online') offline = step === 'offline';
        await new Promise((resolve) => setTimeout(resolve, pick(0, 0, 10, 40, 150)));
      }

      // The faults stop.
      await context.setOffline(false);
      for (const page of [...pages]) if (page.isClosed()) pages.splice(pages.indexOf(page), 1);
      if (pages.length === 0) pages.push(await tab(address));
      for (const page of pages) {
        await page.evaluate(() => {
          const control = document.getElementById('switch-offline');
          if (control?.getAttribute('aria-checked') === 'true') control.click();
        });
      }
      const story = `seed ${seed}: ${told.join(', ')}`;
      for (const page of pages) await settle(page, story);

      const charges = await shop.charges(cart);
      expect(charges, story).toBe(1);
      const ids = await Promise.all(pages.map((page) => page.textContent('#payment-id')));
      expect(new Set(ids).size, story).toBe(1);
    },
  );

  /** Until the page says that it's paid. A page that says that nothing was begun is right only if nothing was; then it's clicked. */
  async function settle(page: Page, story: string): Promise<void> {
    const state = () => page.getAttribute('#page', 'data-state');
    const ended = ['done', 'ready', 'unknown'];
    for (let tries = 0; tries < 10; tries++) {
      await page
        .waitForFunction(
          (ended) => ended.includes(document.getElementById('page')?.dataset.state ?? ''),
          ended,
          {
            timeout: 60_000,
          },
        )
        .catch(async () => {
          throw new Error(
            `${story}: a page stays in ${await state()}: ${await page.textContent('#timeline')}`,
          );
        });
      expect(await page.textContent('#shop'), story).not.toMatch(/fail/i);
      if ((await state()) === 'done') return;
      await page.evaluate(() => {
        if (document.getElementById('page')?.dataset.state !== 'done')
          document.getElementById('pay')?.click();
      });
      await page.waitForTimeout(20);
    }
    throw new Error(`${story}: a page ends in ${await state()}`);
  }
});

/** mulberry32 */
function createRandom(seed: number): () => number {
  let state = seed * 2_654_435_769;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
