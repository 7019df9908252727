import { createRandom, type Random } from './random.ts';

/** Who a timer or a message belongs to. What belongs to a dead one never happens. */
export interface Owner {
  readonly name: string;
  alive: boolean;
  /** Until then nothing of it happens, while the rest of the world goes on. */
  pausedUntil: number;
  /** What `performance.now()` and `Date.now()` add to the world's time. */
  monotonicOffset: number;
  wallOffset: number;
}

/** A process whose clocks show what they like. */
export const newOwner = (name: string, random: World['random']): Owner => ({
  name,
  alive: true,
  pausedUntil: 0,
  monotonicOffset: random.between(0, 100_000),
  wallOffset: random.between(-5_000, 5_000),
});

export interface Due {
  at: number;
  readonly order: number;
  readonly owner: Owner | undefined;
  run: (() => void) | undefined;
}

/** One run's time, chance and order of events. Nothing in it comes from the machine that it runs on. */
export interface World {
  readonly random: Random;
  /** Milliseconds since the run began, by the store's clock. */
  now(): number;
  /** The store of record's clock. */
  readonly storeClock: () => number;
  /** @param owner whose death or pause this shares; `undefined` for what nobody can stop, as a message on its way */
  after(ms: number, owner: Owner | undefined, run: () => void): Due;
  cancel(due: Due): void;
  /** Time passes at once for everybody: what was due meanwhile happens after it, in its order. */
  leap(ms: number): void;
  /** Counts leaps: a connection doesn't outlive one. */
  readonly leaps: number;
  /** Whether anything may go wrong (any more). */
  faulty: boolean;
  /** Whose code runs now. */
  readonly current: Owner | undefined;
  as<T>(owner: Owner, run: () => T): T;
  /** From here to the end of this event it is this one's code that runs. */
  become(owner: Owner): void;
  log(line: () => string): void;
  readonly lines: readonly string[];
  violate(what: string): void;
  readonly violation: string | undefined;
  readonly pending: readonly Due[];
  /** Lets one event after the other happen, until there is none, `over` says so or something is violated. */
  run(over: () => boolean): Promise<void>;
  readonly events: number;
}

/** A run that doesn't end is a finding of its own. */
const MAX_EVENTS = 40_000;
export const EPOCH = 1_800_000_000_000;

const immediate = setImmediate;
/** Everything that promises can do by themselves, and at the end of a turn, has been done when this resolves. */
const quiet = (): Promise<void> => new Promise((resolve) => void immediate(() => immediate(resolve)));

export function createWorld(seed: number, logging: boolean): World {
  const queue = createQueue();
  const lines: string[] = [];
  let time = 0;
  let made = 0;
  let leaps = 0;
  let events = 0;
  let current: Owner | undefined;
  let violation: string | undefined;

  const world: World = {
    random: createRandom(seed),
    faulty: true,
    lines,
    now: () => time,
    storeClock: () => EPOCH + Math.floor(time),
    get current() {
      return current;
    },
    get leaps() {
      return leaps;
    },
    get violation() {
      return violation;
    },
    get events() {
      return events;
    },
    get pending() {
      return queue.all().filter(({ run, owner }) => run !== undefined && owner?.alive !== false);
    },
    after(ms, owner, run) {
      const due: Due = { at: time + Math.max(0, ms), order: made++, owner, run };
      queue.push(due);
      return due;
    },
    cancel(due) {
      due.run = undefined;
    },
    leap(ms) {
      time += ms;
      leaps++;
    },
    as(owner, run) {
      const before = current;
      current = owner;
      try {
        return run();
      } finally {
        current = before;
      }
    },
    become(owner) {
      current = owner;
    },
    log(line) {
      if (logging) lines.push(`${time.toFixed(3).padStart(12)} ${line()}`);
    },
    violate(what) {
      if (violation === undefined) world.log(() => `VIOLATION: ${what}`);
      violation ??= what;
    },
    async run(over) {
      await quiet();
      while (violation === undefined && !over()) {
        const due = queue.pop();
        if (due === undefined) return;
        const { owner, run } = due;
        if (run === undefined || owner?.alive === false) continue;
        if (owner !== undefined && owner.pausedUntil > Math.max(time, due.at)) {
          due.at = owner.pausedUntil;
          queue.push(due);
          continue;
        }
        time = Math.max(time, due.at);
        current = owner;
        due.run = undefined;
        run();
        await quiet();
        if (++events > MAX_EVENTS) world.violate('the run does not end');
      }
    },
  };
  return world;
}

/** By time, then by the order in which they were made. */
function createQueue() {
  const heap: Due[] = [];
  const before = (a: Due, b: Due): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
  return {
    all: () => heap,
    push(due: Due): void {
      let at = heap.push(due) - 1;
      while (at > 0) {
        const up = (at - 1) >> 1;
        const parent = heap[up] as Due;
        if (!before(due, parent)) break;
        heap[at] = parent;
        at = up;
      }
      heap[at] = due;
    },
    pop(): Due | undefined {
      const first = heap[0];
      const last = heap.pop();
      if (first === undefined || last === undefined || heap.length === 0) return first;
      let at = 0;
      for (let child = 1; child < heap.length; child = 2 * at + 1) {
        if (child + 1 < heap.length && before(heap[child + 1] as Due, heap[child] as Due)) child++;
        if (!before(heap[child] as Due, last)) break;
        heap[at] = heap[child] as Due;
        at = child;
      }
      heap[at] = last;
      return first;
    },
  };
}
