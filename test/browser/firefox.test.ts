// The same page and library in the system's Firefox: the main line, reload, tabs, lost answers, offline.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Firefox, type FirefoxTab, firefoxPath, launchFirefox } from './firefox.ts';
import { type Shop, startShop } from './stage.ts';

const missing = 'no Firefox on this machine: install one, or set FIREFOX_PATH to it';
if (firefoxPath === undefined) console.warn(`skipped: the checkout page, in Firefox (${missing})`);
vi.setConfig({ testTimeout: 60_000 });

describe.skipIf(firefoxPath === undefined)('the checkout page, in Firefox', () => {
  let firefox: Firefox;
  let shop: Shop;
  beforeAll(async () => {
    shop = await startShop();
    firefox = await launchFirefox();
  });
  afterAll(() => firefox?.close());

  let carts = 0;
  const open = async (card = 'ok') => {
    const cart = `FIREFOX${++carts}`;
    const address = `${shop.url}/checkout?cart=${cart}&qty=2.1&card=${card}`;
    const tab = await firefox.tab();
    await tab.go(address);
    await inState(tab, 'ready');
    return { tab, cart, address };
  };
  const inState = (tab: FirefoxTab, state: string) =>
    tab.until(`document.querySelector('#page').dataset.state === '${state}'`);
  const click = (tab: FirefoxTab, id: string) =>
    tab.evaluate(`void document.getElementById('${id}').click()`);
  const paymentId = (tab: FirefoxTab) =>
    tab.evaluate<string>("document.getElementById('payment-id').textContent");

  test('a double click is one payment', async () => {
    const { tab, cart } = await open();
    await click(tab, 'act-double');
    await inState(tab, 'done');
    expect(await paymentId(tab)).toMatch(/^pay_/);
    expect(await shop.charges(cart)).toBe(1);
    await tab.close();
  });

  test('reloaded in the middle, and again after it, it shows the one payment', async () => {
    const { tab, cart } = await open('slow');
    await click(tab, 'pay');
    await tab.until("document.querySelector('#timeline .attempt') !== null");
    await tab.reload();
    await inState(tab, 'done');
    const id = await paymentId(tab);
    await tab.reload();
    await inState(tab, 'done');
    expect(await paymentId(tab)).toBe(id);
    expect(await shop.charges(cart)).toBe(1);
    await tab.close();
  });

  test('a tab that waits takes over when the one that pays is closed', async () => {
    const { tab, cart, address } = await open('slow');
    const other = await firefox.tab();
    await other.go(address);
    await inState(other, 'ready');
    await click(tab, 'pay');
    await tab.until("document.querySelector('#timeline .attempt') !== null");
    await click(other, 'pay');
    await other.until("document.querySelector('#timeline').textContent.includes('Another page is at it')");
    await tab.close();
    await inState(other, 'done');
    expect(await shop.charges(cart)).toBe(1);
    await other.close();
  });

  test('a lost answer, and then the network, hold it up and do not do it twice', async () => {
    const { tab, cart } = await open();
    await click(tab, 'switch-lose');
    await click(tab, 'pay');
    await tab.until("document.querySelector('#timeline').textContent.includes('the answer got lost')");
    await click(tab, 'switch-offline');
    await tab.until("['offline', 'done'].includes(document.querySelector('#page').dataset.state)");
    await click(tab, 'switch-offline');
    await inState(tab, 'done');
    expect(await shop.charges(cart)).toBe(1);
    await tab.close();
  });
});
