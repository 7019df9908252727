// 7: a page that dies anywhere between click and settlement. What the next page finds is enough to do it, once.
import type { Browser } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import { describeInChromium, launchChromium } from './chromium.ts';
import type { KillPoint } from './lab/page.ts';
import { crash, newProfile, type Shop, startShop } from './stage.ts';

const POINTS: readonly { at: KillPoint; pending: number; sent: number }[] = [
  { at: 'before claim', pending: 0, sent: 0 },
  { at: 'after claim', pending: 1, sent: 0 },
  { at: 'after send', pending: 1, sent: 1 },
  { at: 'before the record is updated', pending: 1, sent: 1 },
];

describeInChromium('7: in Chromium', () => {
  let browser: Browser;
  let shop: Shop;
  beforeAll(async () => {
    shop = await startShop();
    browser = await launchChromium();
  });

  const cases = POINTS.flatMap((point) =>
    (['closed', 'crashed', 'reloaded'] as const).map((how) => ({ ...point, how })),
  );
  test.each(cases)(
    'a page that is $how $at leaves an action that is done once',
    async ({ at, how, pending, sent }) => {
      const { lab, network } = await newProfile(browser, shop.url);
      const sku = `${at} ${how}`;
      const page = await lab();
      // Where it stops for good, the call never settles.
      await page.evaluate(
        ([at, sku]) => {
          const { semel, trpc } = window.lab.open({ killAt: at });
          const context = { intent: semel.intent('killed', [sku]) };
          void window.lab.outcomeOf(() => trpc.orders.create.mutate({ sku, quantity: 1 }, { context }));
        },
        [at, sku] as const,
      );
      await page.waitForFunction((at) => document.documentElement.dataset.stopped === at, at);
      if (sent > 0) await expect.poll(() => shop.orders(sku)).toBe(1);
      if (how === 'crashed') await crash(page);
      else if (how === 'closed') await page.close();
      const next = how === 'reloaded' ? page : await lab();
      if (how === 'reloaded') await page.reload();
      await next.waitForFunction(() => 'lab' in window);

      const found = await next.evaluate(async (sku) => {
        const { semel, trpc } = window.lab.open();
        const found = (await semel.pending()).length;
        const resumed = (await window.lab.resume(semel, trpc)).map(({ outcome }) => outcome.status);
        const context = { intent: semel.intent('killed', [sku]) };
        const click = await window.lab.outcomeOf(() =>
          trpc.orders.create.mutate({ sku, quantity: 1 }, { context }),
        );
        return { found, resumed, click: click.status, left: (await semel.pending()).length };
      }, sku);
      expect(found).toEqual({
        found: pending,
        resumed: pending === 1 ? ['completed'] : [],
        click: 'completed',
        left: 0,
      });
      expect(new Set(network.sent.map(({ key }) => key)).size).toBe(1);
      expect(await shop.orders(sku)).toBe(1);
    },
  );
});
