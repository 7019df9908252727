// 8: tabs of one browser.
import type { Browser } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import { describeInChromium, launchChromium } from './chromium.ts';
import type {} from './lab/page.ts';
import { crash, newProfile, type Shop, startShop } from './stage.ts';

const never = new Promise(() => {});
/** Runs in a page: one order under one intent. */
const order = async (sku: string) => {
  window.kept ??= window.lab.open();
  const { semel, trpc } = window.kept as ReturnType<typeof window.lab.open>;
  const context = { intent: semel.intent('tabs', [sku]) };
  return (await window.lab.outcomeOf(() => trpc.orders.create.mutate({ sku, quantity: 1 }, { context })))
    .status;
};
const resumeAll = async () => {
  window.kept ??= window.lab.open();
  const { semel, trpc } = window.kept as ReturnType<typeof window.lab.open>;
  return (await window.lab.resume(semel, trpc)).map(({ outcome }) => outcome.status);
};
const joined = () => window.kept?.types().includes('joined');

describeInChromium('8: in Chromium', () => {
  let browser: Browser;
  let shop: Shop;
  beforeAll(async () => {
    shop = await startShop();
    browser = await launchChromium();
  });

  test('one intent in two tabs is one stream of requests', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const [one, two] = [await lab(), await lab()];
    const arrived = Promise.withResolvers<void>();
    network.next({ answerAfter: arrived.promise });
    const first = one.evaluate(order, 'two-tabs');
    await network.sentBy(1);
    const second = two.evaluate(order, 'two-tabs');
    await two.waitForFunction(joined);
    expect(network.sent).toHaveLength(1); // the second one waits, and sends nothing
    arrived.resolve();
    expect([await first, await second]).toEqual(['completed', 'completed']);
    expect(new Set(network.sent.map(({ key }) => key)).size).toBe(1);
    expect(await shop.orders('two-tabs')).toBe(1);
  });

  test('of ten clicks in two tabs at once one is sent, and all get its answer', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const pages = [await lab(), await lab()];
    const statuses = await Promise.all(
      pages.flatMap((page) => Array.from({ length: 5 }, () => page.evaluate(order, 'ten-clicks'))),
    );
    expect(new Set(statuses)).toEqual(new Set(['completed']));
    expect(new Set(network.sent.map(({ key }) => key)).size).toBe(1);
    expect(await shop.orders('ten-clicks')).toBe(1);
  });

  test('two tabs that resume the same action do it once', async () => {
    const { lab, network } = await newProfile(browser, shop.url);
    const dead = await lab();
    network.next({ leaveAfter: never });
    void dead.evaluate(order, 'both-resume').catch(() => {});
    await network.sentBy(1);
    await dead.close();
    const [one, two] = [await lab(), await lab()];
    const resumed = await Promise.all([one.evaluate(resumeAll), two.evaluate(resumeAll)]);
    expect(resumed.flat()).toContain('completed');
    expect(new Set(resumed.flat())).toEqual(new Set(['completed']));
    expect(new Set(network.sent.map(({ key }) => key)).size).toBe(1);
    expect(await shop.orders('both-resume')).toBe(1);
  });

  test.each(['closed', 'crashed', 'gone elsewhere'] as const)(
    'when the tab that pays is %s, the one that waits takes over under the same key',
    async (how) => {
      const { lab, network } = await newProfile(browser, shop.url);
      const [one, two] = [await lab(), await lab()];
      network.next({ answerAfter: never }); // the server does it, and nobody hears
      void one.evaluate(order, how).catch(() => {});
      await network.sentBy(1);
      const second = two.evaluate(order, how);
      await two.waitForFunction(joined);
      await expect.poll(() => shop.orders(how)).toBe(1);
      if (how === 'closed') await one.close();
      else if (how === 'crashed') await crash(one);
      else await one.goto('about:blank');
      expect(await second).toBe('completed');
      expect(await two.evaluate(() => window.kept.types())).toContain('takeover');
      expect(new Set(network.sent.map(({ key }) => key)).size).toBe(1);
      expect(await shop.orders(how)).toBe(1);
    },
  );

  test("a tab opened by a page, with a copy of its session storage, isn't taken for that page", async () => {
    const { context, lab, network } = await newProfile(browser, shop.url);
    const one = await lab();
    const arrived = Promise.withResolvers<void>();
    network.next({ answerAfter: arrived.promise });
    const first = one.evaluate(order, 'copied');
    await network.sentBy(1);
    const opened = context.waitForEvent('page');
    await one.evaluate(() => {
      sessionStorage.setItem('mark', 'copied');
      open('/lab');
    });
    const two = await opened;
    await two.waitForFunction(() => 'lab' in window);
    expect(await two.evaluate(() => sessionStorage.getItem('mark'))).toBe('copied');
    const second = two.evaluate(order, 'copied');
    await two.waitForFunction(joined);
    expect(
      await two.evaluate(() => window.kept.events.find(({ type }: { type: string }) => type === 'joined').by),
    ).toBe('tab');
    arrived.resolve();
    expect([await first, await second]).toEqual(['completed', 'completed']);
    expect(await shop.orders('copied')).toBe(1);
  });

  test('a tab that waits for another does nothing meanwhile', async () => {
    const { context, lab, network } = await newProfile(browser, shop.url);
    const [one, two] = [await lab(), await lab()];
    const arrived = Promise.withResolvers<void>();
    network.next({ answerAfter: arrived.promise });
    const first = one.evaluate(order, 'idle');
    await network.sentBy(1);
    const second = two.evaluate(order, 'idle');
    await two.waitForFunction(joined, undefined, { polling: 50 });
    const devtools = await context.newCDPSession(two);
    await devtools.send('Performance.enable');
    const scriptSeconds = async () => {
      const { metrics } = await devtools.send('Performance.getMetrics');
      return metrics.find(({ name }) => name === 'ScriptDuration')?.value ?? Number.NaN;
    };
    const before = await scriptSeconds();
    await new Promise((resolve) => setTimeout(resolve, 1_000)); // this long there is nothing to do
    const ran = (await scriptSeconds()) - before;
    expect(ran).toBeLessThan(0.02); // seconds of JavaScript
    expect(network.sent).toHaveLength(1);
    arrived.resolve();
    expect([await first, await second]).toEqual(['completed', 'completed']);
    expect(await shop.orders('idle')).toBe(1);
  });
});
