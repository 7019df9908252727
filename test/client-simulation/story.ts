import type { StoreWire } from './engine.ts';
import type { Wish } from './judge.ts';
import { type Browser, openPage, type Page } from './pages.ts';
import type { Order } from './shop.ts';
import { HORIZON_MS } from './simulate.ts';

const HOUR = 3_600_000;

interface StoryOptions {
  /** The storage never fails. */
  readonly sound: boolean;
  /** The laptop may sleep longer than a key lives. */
  readonly sleepsLong: boolean;
}

/** What users do and what goes wrong, drawn from the seed. */
export function createStory(browser: Browser, wire: StoreWire, { sound, sleepsLong }: StoryOptions) {
  const { world, profile, judge, shop, road, disk } = browser;
  const { random } = world;
  let user = 'ann';
  let left = 0;
  const wishes = new Map<string, Wish>();
  const inputs = new Map<string, Order>();
  const isNights = profile === 'nights';
  const paths =
    profile === 'queued'
      ? random.pick([['send'], ['send'], ['send', 'book']] as const)
      : random.pick([['pay'], ['book'], ['pay', 'book']] as const);
  const carts = 1 + random.below(3);
  const severalTabs = random.chance(0.6);
  const severalUsers = random.chance(isNights ? 0.6 : 0.25);
  const changes = random.chance(0.3);

  const page = (): Page =>
    browser.pages.length === 0 ? openPage(browser, user) : random.pick(browser.pages);

  function wish(): Wish {
    const path = random.pick(paths);
    const cart = `${user}-${path}-${random.below(carts)}`;
    const known = wishes.get(cart) ?? { user, cart, path, intent: true };
    if (!wishes.has(cart) && random.chance(0.4)) shop.declines.set(cart, 1 + random.below(2));
    wishes.set(cart, known);
    return known;
  }

  function click(at: Page): void {
    const one = wish();
    const amount = changes && random.chance(0.2) ? 11 : 10;
    const patienceMs = random.chance(0.15) ? random.between(0, 600) : undefined;
    void at.click(one, { amount, ...(patienceMs !== undefined && { patienceMs }) });
    // In the same tick: one request for both.
    for (let more = profile === 'stream' ? 3 : 1; more > 0; more--)
      if (random.chance(profile === 'stream' ? 0.6 : 0.1)) void at.click(wish());
    if (random.chance(0.3)) {
      const again = random.chance(0.5) ? at : page();
      world.after(random.pick([0, 1, 50, 300]), again.owner, () => void again.click(one, { amount }));
    }
  }

  /** Without an intent: whoever repeats it passes the very same object, as React Query does. */
  function plain(at: Page): void {
    const path = random.pick(paths);
    const cart = `${user}-plain-${inputs.size}`;
    const one: Wish = { user, cart, path, intent: false };
    const input: Order = { user, cart, amount: 10 };
    inputs.set(cart, input);
    const again = (retries: number): void =>
      void at.click(one, { input }).then(({ status }) => {
        if (retries > 0 && at.owner.alive && status !== 'completed' && status !== 'rejected')
          world.after(random.between(0, 500), at.owner, () => again(retries - 1));
      });
    again(2);
  }

  function next(at: Page): void {
    const one = wish();
    const force = random.chance(0.2);
    judge.allow(one.cart, 'next()');
    at.intent(one)
      .next({ force })
      .then(
        () => void (at.owner.alive && at.click(one)),
        () => undefined,
      );
  }

  function reload(at: Page): void {
    at.crash();
    const opened = openPage(browser, user);
    if (random.chance(0.6)) void opened.resume();
  }

  function changeUser(at: Page): void {
    const leave = (): void => {
      for (const each of [...browser.pages]) each.crash();
      user = user === 'ann' ? 'bob' : 'ann';
      const opened = openPage(browser, user);
      if (random.chance(0.6)) void opened.resume();
    };
    if (random.chance(0.5)) {
      leave();
      return;
    }
    judge.purging(
      user,
      browser.pages.every(({ underway }) => underway.size === 0),
    );
    void at.semel.purge().then(() => {
      if (!at.owner.alive) return;
      judge.purged();
      world.after(0, undefined, leave);
    });
  }

  function step(): void {
    left--;
    const at = page();
    const drawn = random.below(20);
    world.become(at.owner);
    if (drawn < 8 || drawn > 17) click(at);
    else if (drawn < 10) plain(at);
    else if (drawn < 12) reload(at);
    else if (drawn === 12) at.crash();
    else if (drawn < 15) {
      if (severalTabs && browser.pages.length < 3) openPage(browser, user);
      click(page());
    } else if (drawn === 15) next(at);
    else if ((drawn === 16 || (isNights && drawn > 13)) && severalUsers) changeUser(at);
    else if (drawn === 17) void at.resume();
    else click(at);
  }

  function trouble(): void {
    left--;
    const later = (ms: number, run: () => void): void => void world.after(ms, undefined, run);
    const drawn = isNights && random.chance(0.4) ? 5 : random.below(sound ? 7 : 11);
    switch (drawn) {
      case 0:
        shop.crash();
        return;
      case 1:
        shop.pause(random.between(50, 1_500));
        return;
      case 2:
        world.log(() => 'OUTAGE of the store');
        wire.outage.until = world.now() + random.between(50, 2_000);
        return;
      case 3: {
        world.log(() => 'OFFLINE');
        road.offline = true;
        later(random.between(50, 2_500), () => online(browser));
        return;
      }
      case 4: {
        // By as much as the server's margin at most, where nothing is excused.
        const by = random.between(-HOUR, HOUR) / (isNights ? 20 : random.pick([1, 1_000]));
        world.log(() => `the browser's clock is set by ${by.toFixed(0)} ms`);
        browser.clock.wallOffset += by;
        for (const { owner } of browser.pages) owner.wallOffset += by;
        return;
      }
      case 5: {
        const ms = sleepsLong
          ? random.pick([HOUR, 23 * HOUR, 25 * HOUR, 30 * HOUR])
          : random.between(100, random.pick([400, 20_000]));
        const leap = (): void => {
          if (!world.faulty) return;
          // Servers don't sleep: no request is in their hands for a night.
          if (ms >= HOUR && shop.isBusy()) {
            later(20, leap);
            return;
          }
          if (ms > 20 * HOUR) judge.keysAreOver();
          world.log(() => `LEAP of ${ms.toFixed(0)} ms`);
          world.leap(ms);
        };
        leap();
        return;
      }
      case 6: {
        const { owner } = page();
        const ms = random.between(50, random.pick([400, 3_000]));
        world.log(() => `${owner.name} SLEEPS for ${ms.toFixed(0)} ms`);
        owner.pausedUntil = world.now() + ms;
        return;
      }
      case 7:
        world.log(() => 'STORAGE is cleared');
        disk.clear();
        judge.allowAll('the storage was cleared');
        return;
      default: {
        disk.trouble = random.pick(['full', 'blocked', 'slow', 'hangs'] as const);
        world.log(() => `STORAGE: ${disk.trouble}`);
        judge.allowAll('the storage is ill');
        later(random.between(50, 2_000), () => {
          disk.trouble = 'none';
        });
      }
    }
  }

  openPage(browser, user);
  const steps = 2 + random.below(8);
  const troubles = random.below(5);
  left = steps + troubles;
  for (let i = 0; i < steps; i++) world.after(random.between(0, HORIZON_MS), undefined, step);
  for (let i = 0; i < troubles; i++) world.after(random.between(0, HORIZON_MS), undefined, trouble);

  return {
    isOver: () => left === 0,
    wishes: () => [...wishes.values()],
  };
}

/** The network is back, and pages hear of it. */
export function online({ world, road, onOnline }: Browser): void {
  if (!road.offline) return;
  world.log(() => 'ONLINE');
  road.offline = false;
  for (const waiting of [...onOnline]) {
    onOnline.delete(waiting);
    world.after(world.random.between(0, 20), waiting.owner, waiting.run);
  }
}
