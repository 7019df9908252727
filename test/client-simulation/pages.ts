import {
  createSemelClient,
  type Intent,
  type Outcome,
  outcomeOf,
  resume,
  type SemelClient,
  type SemelClientOptions,
  type Tabs,
} from '@semel/client';
import { browserTabs } from '@semel/client/tabs';
import { createTRPCClient, httpBatchLink, httpBatchStreamLink } from '@trpc/client';
import { sturdy } from '../../packages/client/src/journal/sturdy.ts';
import type { Owner, World } from './engine.ts';
import type { Judge, Wish } from './judge.ts';
import type { Locks } from './locks.ts';
import type { Mistake } from './mistakes.ts';
import { fetchOf, type Road } from './network.ts';
import { plainCalls } from './plain-calls.ts';
import type { Profile } from './profile.ts';
import { type Order, SHOP_URL, type Shop } from './shop.ts';
import type { Disk } from './storage.ts';

/** One browser, which all tabs of a run are in. */
export interface Browser {
  readonly world: World;
  readonly profile: Profile;
  readonly disk: Disk;
  /** `undefined`: an insecure context. */
  readonly locks: Locks | undefined;
  readonly road: Road;
  readonly shop: Shop;
  readonly judge: Judge;
  readonly mistake: Mistake;
  readonly clock: { monotonicOffset: number; wallOffset: number };
  readonly options: SemelClientOptions;
  /** `false`: it says that it's online, whatever is so. */
  readonly knowsOffline: boolean;
  readonly onOnline: Set<{ owner: Owner; run: () => void }>;
  pages: Page[];
  opened: number;
}

interface Click {
  readonly amount?: number;
  /** Gives up after that. */
  readonly patienceMs?: number;
  readonly input?: Order;
}

/** A page's life: from its opening to its reload, crash or closing. */
export interface Page {
  readonly owner: Owner;
  readonly user: string;
  readonly semel: SemelClient;
  /** What it waits for, in words. */
  readonly underway: ReadonlyMap<Promise<unknown>, string>;
  click(wish: Wish, click?: Click): Promise<Outcome<unknown>>;
  intent(wish: Wish): Intent;
  resume(): Promise<Awaited<ReturnType<typeof resume>>>;
  crash(): void;
}

export function openPage(browser: Browser, user: string): Page {
  const { world, profile, disk, locks, road, shop, judge, mistake } = browser;
  const owner: Owner = {
    name: `tab${++browser.opened}`,
    alive: true,
    pausedUntil: 0,
    ...browser.clock,
  };
  world.log(() => `${owner.name} opens for ${user}`);
  return world.as(owner, () => {
    const right = sturdy(disk.of(owner));
    const journal = mistake.journal?.(right) ?? right;
    const tabs: Tabs = browserTabs({ locks: locks?.of(owner) });
    const semel = createSemelClient({
      ...browser.options,
      scope: mistake.scope ?? user,
      journal,
      tabs: mistake.tabs?.(tabs) ?? tabs,
      connectivity: {
        online: () => !browser.knowsOffline || !road.offline,
        onceOnline(run) {
          const waiting = { owner, run };
          browser.onOnline.add(waiting);
          return () => void browser.onOnline.delete(waiting);
        },
      },
      onEvent(event) {
        world.log(() => `${owner.name} ${event.type} ${'error' in event ? String(event.error) : ''}`);
        if (event.type === 'journal_error') judge.doubt();
      },
    });
    const plain = fetchOf(world, road, shop, owner, judge);
    const fetch = mistake.fetch?.(plain as never) ?? plain;
    // biome-ignore lint/suspicious/noExplicitAny: the shop's router is made anew by each of its processes
    const trpc = createTRPCClient<any>({
      links: [
        semel.link(),
        ...(mistake.link === undefined ? [] : [mistake.link()]),
        (profile === 'stream' ? httpBatchStreamLink : httpBatchLink)({
          url: SHOP_URL,
          headers: semel.headers(() => ({ authorization: user })),
          fetch: semel.fetch(fetch as never),
          maxItems: 100,
        }),
      ],
    }) as unknown as Trpc;
    const routes = profile === 'fetch' ? plainCalls(semel, fetch as never, user) : undefined;
    const underway = new Map<Promise<unknown>, string>();
    const track = <T>(what: string, promise: Promise<T>): Promise<T> => {
      underway.set(promise, what);
      void promise.finally(() => underway.delete(promise)).catch(() => undefined);
      return promise;
    };
    /** As this page's own code, whoever's code runs now. */
    const here = <T>(what: string, run: () => Promise<T>): Promise<T> => {
      if (world.current === owner) return track(what, run());
      return new Promise((resolve, reject) => {
        world.after(0, owner, () => void track(what, run()).then(resolve, reject));
      });
    };
    const intent = ({ path, cart }: Wish) => semel.intent(path, [cart]);
    const page: Page = {
      owner,
      user,
      semel,
      underway,
      intent,
      click(wish, { amount = 10, patienceMs, input } = {}) {
        const order: Order = input ?? { user, cart: wish.cart, amount };
        world.log(() => `${owner.name} CLICK ${wish.path} ${wish.cart} ${order.amount}`);
        judge.clicked(wish);
        return here('a call', async () => {
          const stop = new AbortController();
          if (patienceMs !== undefined) world.after(patienceMs, owner, () => stop.abort());
          const { signal } = stop;
          const context = wish.intent ? { intent: intent(wish) } : {};
          const send = () =>
            routes?.send(wish.path, order, wish.intent ? intent(wish) : undefined, signal) ??
            outcomeOf(() => trpc[wish.path].mutate(order, { context, signal }));
          const tell = (real: Outcome<unknown>): Outcome<unknown> => {
            const outcome = mistake.outcome?.(real) ?? real;
            if (owner.alive) judge.told(wish, order, outcome);
            return outcome;
          };
          const outcome = tell(await send());
          if (outcome.status !== 'accepted' || world.random.chance(0.5)) return outcome;
          return tell(await outcome.wait());
        });
      },
      resume: () =>
        here('a resumption', async () => {
          const began = world.now();
          const all = await resume(semel, trpc, {
            concurrency: world.random.pick([1, 3]),
            ...routes?.resuming,
          });
          if (owner.alive) for (const { record, outcome } of all) judge.resumed(record, outcome, began);
          return all;
        }),
      crash() {
        world.log(() => `${owner.name} CRASHES`);
        owner.alive = false;
        locks?.release(owner);
        world.as(owner, () => tabs.close());
        browser.pages = browser.pages.filter((each) => each !== page);
      },
    };
    browser.pages.push(page);
    return page;
  });
}

type Trpc = Readonly<
  Record<
    Wish['path'],
    { mutate(order: Order, options: { context: object; signal: AbortSignal }): Promise<unknown> }
  >
>;
