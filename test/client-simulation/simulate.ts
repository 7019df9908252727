import { createMemoryStore } from '@semel/server';
import {
  createExchange,
  createFakeQueue,
  createProvider,
  createWeather,
  createWorld,
  type StoreWire,
  takeOverTime,
  type World,
} from './engine.ts';
import { createJudge, type Judge } from './judge.ts';
import { createLocks } from './locks.ts';
import type { Mistake } from './mistakes.ts';
import { createRoad } from './network.ts';
import type { Browser } from './pages.ts';
import type { Profile } from './profile.ts';
import { settleDown } from './settle-down.ts';
import { createShop } from './shop.ts';
import { createDisk } from './storage.ts';
import { createStory } from './story.ts';
import { takeOverBrowser } from './take-over-browser.ts';

export interface SimulateOptions {
  readonly logging?: boolean;
  readonly mistake?: Mistake;
  /** @default 'link' */
  readonly profile?: Profile;
}

export interface Report {
  readonly seed: number;
  /** What must never be, and was. */
  readonly violation: string | undefined;
  /** Everything that happened, if it was asked for. */
  readonly log: readonly string[];
  readonly events: number;
  /** Effects at the shop. */
  readonly effects: number;
}

/** When the last fault begins at the latest. */
export const HORIZON_MS = 4_000;
const HOUR = 3_600_000;

/** One seed, one run of the real client in the tabs of one browser, against the real engine behind the real tRPC adapter. */
export async function simulate(
  seed: number,
  { logging = false, mistake = { found: [] }, profile = 'link' }: SimulateOptions = {},
): Promise<Report> {
  const world = createWorld(seed, logging);
  const giveBackTime = takeOverTime(world);
  const giveBackBrowser = takeOverBrowser(world);
  const rejected = (reason: unknown): void => world.violate(`an unhandled rejection: ${String(reason)}`);
  process.on('unhandledRejection', rejected);
  try {
    const effects = await live(world, mistake, profile);
    return { seed, violation: world.violation, log: world.lines, events: world.events, effects };
  } finally {
    process.off('unhandledRejection', rejected);
    giveBackBrowser();
    giveBackTime();
  }
}

async function live(world: World, mistake: Mistake, profile: Profile): Promise<number> {
  const { random } = world;
  const weather = createWeather(world);
  const send = createExchange(world, weather, () => undefined);
  const store = createMemoryStore({ clock: world.storeClock });
  const provider = createProvider(world, send, 48 * HOUR);
  const wire: StoreWire = { world, weather, send, onSend: () => undefined, store, outage: { until: 0 } };

  const isNights = profile === 'nights';
  const sound = isNights || random.chance(0.6);
  const hasLocks = random.chance(0.75);
  const sleepsLong = isNights || random.chance(0.1);
  const road = createRoad(world, profile);
  const queue = profile === 'queued' ? createFakeQueue(world, send) : undefined;
  const shop = createShop({ wire, provider, profile, queue });
  // The disk tells the judge, and the judge reads the disk.
  let judge: Judge;
  const disk = createDisk(world, {
    amnesia: (record) => judge.allow(cartOf(record), 'it was not written down'),
    struck: (record, owner) => judge.struck(record, owner),
    changed: () => judge.written(disk.records.values()),
  });
  const clock = { monotonicOffset: random.between(0, 100_000), wallOffset: random.between(-60_000, 60_000) };
  const keepsInput = random.chance(0.5);
  const browser: Browser = {
    world,
    profile,
    disk,
    locks: hasLocks ? createLocks(world) : undefined,
    road,
    shop,
    judge: createJudge(world, {
      effects: () => store.committed.values(),
      charges: () => provider.charges,
      recordOf: (key) => [...disk.records.values()].find((record) => record.key === key),
      sound,
      strict: isNights,
      records: () => disk.records.values(),
      tabsExclude: hasLocks && sound && !sleepsLong,
      wallOf: ({ wallOffset }) => world.storeClock() + wallOffset,
    }),
    mistake,
    clock,
    options: {
      retry: {
        baseMs: random.pick([10, 100]),
        capMs: 1_000,
        attemptTimeoutMs: random.pick([200, 800, 2_000]),
        deadlineMs: random.pick([1_500, 6_000]),
        maxAttempts: random.pick([2, 5]),
        budget: { max: random.pick([3, 10]), refillPerSuccess: 0.1 },
      },
      inFlight: { firstMs: random.pick([20, 150]) },
      ...(queue && { accepted: { wait: random.chance(0.7), deadlineMs: random.pick([1_000, 20_000]) } }),
      persistInput: () => keepsInput,
    },
    knowsOffline: random.chance(0.7),
    onOnline: new Set(),
    pages: [],
    opened: 0,
  };
  judge = browser.judge;
  const story = createStory(browser, wire, { sound, sleepsLong });
  await world.run(() => world.now() > HORIZON_MS && story.isOver());
  world.log(() => 'FAULTS END');
  world.faulty = false;
  disk.trouble = 'none';
  await settleDown(browser, story.wishes(), sleepsLong);
  return store.committed.size;
}

/** An intent's parts are its cart. */
const cartOf = ({ intent = '' }: { readonly intent?: string | undefined }): string =>
  /"(.+)"/.exec(intent)?.[1] ?? '';
