// The reference server's checkout page, as a shopper uses it.
import type { Browser, Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import { describeInChromium, launchChromium } from './chromium.ts';
import { newProfile, type Shop, startShop } from './stage.ts';

const cartOf = (page: Page): string => new URL(page.url()).searchParams.get('cart') ?? '';
const inState = (page: Page, state: string) => page.waitForSelector(`#page[data-state=${state}]`);
const paymentId = (page: Page) => page.textContent('#payment-id');
const card = (page: Page, id: string) => page.check(`#card-${id}`);

describeInChromium('the checkout page, in Chromium', () => {
  let browser: Browser;
  let shop: Shop;
  beforeAll(async () => {
    shop = await startShop();
    browser = await launchChromium();
  });
  const open = async (path = '/checkout') => {
    const profile = await newProfile(browser, shop.url);
    const page = await profile.tab(path);
    await inState(page, 'ready');
    return { ...profile, page };
  };

  test('pays, shows the payment, and breaks no rule of its content security policy', async () => {
    const { context, page } = await open();
    const errors: string[] = [];
    context.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    context.on('weberror', (error) => errors.push(String(error.error())));
    await page.reload();
    await inState(page, 'ready');
    await page.getByRole('button', { name: 'Pay €97.00' }).click();
    await inState(page, 'done');
    expect(await page.getByRole('status').textContent()).toBe('Payment complete');
    expect(await paymentId(page)).toMatch(/^pay_/);
    await page.waitForSelector('#books [data-count="1"]');
    expect(await shop.charges(cartOf(page))).toBe(1);
    expect(errors).toEqual([]);
  });

  test('can be paid with the keyboard alone', async () => {
    const { page } = await open();
    const isFocused = (name: string) =>
      page.evaluate((name) => document.activeElement?.textContent?.startsWith(name) === true, name);
    for (let i = 0; i < 20 && !(await isFocused('Pay €')); i++) await page.keyboard.press('Tab');
    expect(await isFocused('Pay €')).toBe(true);
    await page.keyboard.press('Enter');
    await inState(page, 'done');
    expect(await shop.charges(cartOf(page))).toBe(1);
  });

  test.each([320, 375, 1280])('is %i pixels wide without scrolling sideways', async (width) => {
    const { page } = await open();
    await page.setViewportSize({ width, height: 700 });
    await page.click('#pay');
    await inState(page, 'done');
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
  });

  test('a double click is one payment, and the panel says so', async () => {
    const { page, network } = await open();
    await card(page, 'slow');
    await page.dblclick('#pay');
    await inState(page, 'done');
    expect(await page.textContent('#timeline')).toContain('Clicked again: the same action');
    expect(new Set(network.sent.map(({ key }) => key)).size).toBe(1);
    expect(await shop.charges(cartOf(page))).toBe(1);
  });

  test('a lost answer is asked for again, under the same key', async () => {
    const { page, network } = await open();
    await page.click('#switch-lose');
    await page.click('#pay');
    await inState(page, 'done');
    expect(await page.textContent('#timeline')).toContain('the answer got lost');
    expect(await page.textContent('#timeline')).toContain('the first answer again');
    expect(network.sent).toHaveLength(2);
    expect(network.sent[1]?.key).toBe(network.sent[0]?.key);
    expect(await shop.charges(cartOf(page))).toBe(1);
  });

  test('offline it says so, waits, goes on when the network is back, and never speaks of failure', async () => {
    const { page, network } = await open();
    await page.click('#switch-offline');
    await page.click('#pay');
    await inState(page, 'offline');
    expect(await page.textContent('#shop')).not.toMatch(/fail|error/i);
    expect(network.sent).toHaveLength(0);
    await page.click('#switch-offline');
    await inState(page, 'done');
    expect(await shop.charges(cartOf(page))).toBe(1);
  });

  test('the same with the real network away', async () => {
    const { context, page } = await open();
    await context.setOffline(true);
    await page.click('#pay');
    await inState(page, 'offline');
    await context.setOffline(false);
    await inState(page, 'done');
    expect(await shop.charges(cartOf(page))).toBe(1);
  });

  test('reloaded in the middle it finds out by itself what became of the payment', async () => {
    const { page, network } = await open();
    await card(page, 'slow');
    await page.click('#act-reload');
    await network.sentBy(2); // the page before, and the page after
    await inState(page, 'done');
    expect(new Set(network.sent.map(({ key }) => key)).size).toBe(1);
    expect(await shop.charges(cartOf(page))).toBe(1);
  });

  test('reloaded after the payment it shows the same payment', async () => {
    const { page } = await open();
    await page.click('#pay');
    await inState(page, 'done');
    const id = await paymentId(page);
    await page.reload();
    await inState(page, 'done');
    expect(await paymentId(page)).toBe(id);
    expect(await page.textContent('#fine')).toContain('first answer again');
    expect(await shop.charges(cartOf(page))).toBe(1);
  });

  test('a declined card is told as that, and another card is a new action', async () => {
    const { page, network } = await open();
    await card(page, 'declined');
    await page.click('#pay');
    await inState(page, 'refused');
    expect(await page.getByRole('status').textContent()).toContain(
      'The card was declined. Nothing was taken.',
    );
    await card(page, 'ok');
    await page.click('#pay');
    await inState(page, 'done');
    expect(network.sent[1]?.key).not.toBe(network.sent[0]?.key);
    expect(await shop.charges(cartOf(page))).toBe(1);
  });

  test("a bank whose answer gets lost at the server's side is asked again, and charges once", async () => {
    const { page } = await open();
    await card(page, 'lost');
    await page.click('#pay');
    await inState(page, 'done');
    expect(await shop.charges(cartOf(page))).toBe(1);
  });

  test('two tabs of one cart pay once, and both show it', async () => {
    const { context, page } = await open();
    await card(page, 'slow');
    const opened = context.waitForEvent('page');
    await page.click('#act-both');
    const other = await opened;
    await inState(page, 'done');
    await inState(other, 'done');
    expect(await paymentId(other)).toBe(await paymentId(page));
    expect(await shop.charges(cartOf(page))).toBe(1);
  });

  test('a cart that was changed in another tab is not paid twice: that tab is told, and shown the first payment', async () => {
    const { tab, page } = await open();
    const other = await tab(new URL(page.url()).pathname + new URL(page.url()).search);
    await inState(other, 'ready');
    await other.click('#qty-0-more');
    await page.click('#pay');
    await inState(page, 'done');
    await other.getByRole('button', { name: 'Pay €111.50' }).click();
    await inState(other, 'conflict');
    await other.click('#pay');
    await inState(other, 'done');
    expect(await paymentId(other)).toBe(await paymentId(page));
    expect(await other.textContent('#receipt')).toContain('€97.00');
    expect(await shop.charges(cartOf(page))).toBe(1);
  });

  test('a payout is accepted, survives a reload, and ends paid, once', async () => {
    const { page, network } = await open('/checkout?view=payout');
    await page.click('#pay');
    await page.waitForSelector('[data-stage=now]');
    await page.reload();
    await inState(page, 'done');
    expect(await paymentId(page)).toMatch(/^po_/);
    expect(new Set(network.sent.map(({ key }) => key)).size).toBe(1);
    expect(await shop.rig.sim.payouts()).toHaveLength(1);
  });

  test('is not served where demo keys are not let in', async () => {
    const strict = await startShop({ demoKeys: false });
    expect((await fetch(`${strict.url}/checkout`)).status).toBe(404);
    expect((await fetch(`${shop.url}/checkout`)).status).toBe(200);
  });
});
