/** Time as a dependency: code that waits takes a `Clock`, so that a test decides how fast time passes. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /**
   * Resolves after `ms` milliseconds. An aborted `signal` rejects it with the signal's reason and leaves no
   * timer behind.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Runs `run` once after `ms` milliseconds; the returned function cancels it (harmless when it has run). */
  schedule(ms: number, run: () => void): () => void;
}

export interface TestClock extends Clock {
  /**
   * Moves time forward by `ms`, running due timers in the order of their times (equal times: in the order in
   * which they were made). Between two timers everything that promises can do by themselves is done, so a
   * timer made by the continuation of an earlier one still runs in its place. Real I/O is not waited for.
   * A callback that throws makes `advance` reject; time then stands where it threw.
   */
  advance(ms: number): Promise<void>;
  /** How many timers wait: 0 at the end of a test means that nothing was left behind. */
  readonly pending: number;
}

type Schedule = Clock['schedule'];

// Taken when the module loads: a test framework's fake timers, installed later, cannot stop the flush.
const macrotask = globalThis.setImmediate ?? ((run: () => void) => setTimeout(run, 0));
const flush = (): Promise<void> => new Promise((resolve) => void macrotask(resolve));

const sleepWith =
  (schedule: Schedule): Clock['sleep'] =>
  (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        cancel();
        reject(signal?.reason);
      };
      const cancel = schedule(ms, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });

const scheduleOnSystem: Schedule = (ms, run) => {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
};

/** The machine's own clock. Its `now()` can jump when the machine's time is set; its timers don't. */
export const systemClock: Clock = {
  now: () => Date.now(),
  schedule: scheduleOnSystem,
  sleep: sleepWith(scheduleOnSystem),
};

/**
 * A clock that stands still until `advance` is called.
 * @param start what `now()` says first, in milliseconds since the epoch
 * @default 2024-01-01T00:00:00Z
 */
export function createTestClock(start = 1_704_067_200_000): TestClock {
  interface Timer {
    readonly at: number;
    readonly order: number;
    readonly run: () => void;
  }
  const timers = new Set<Timer>();
  let time = start;
  let made = 0;

  const earliest = (until: number): Timer | undefined => {
    let first: Timer | undefined;
    for (const timer of timers) {
      if (timer.at > until) continue;
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order))
        first = timer;
    }
    return first;
  };

  const schedule: Schedule = (ms, run) => {
    const timer: Timer = { at: time + Math.max(0, ms), order: made++, run };
    timers.add(timer);
    return () => void timers.delete(timer);
  };

  return {
    now: () => time,
    schedule,
    sleep: sleepWith(schedule),
    get pending() {
      return timers.size;
    },
    async advance(ms) {
      if (!(ms >= 0)) throw new RangeError(`time does not go back: advance(${ms})`);
      const until = time + ms;
      await flush(); // what was started just before may still be on its way to its sleep
      for (let timer = earliest(until); timer; timer = earliest(until)) {
        timers.delete(timer);
        time = timer.at;
        timer.run();
        await flush();
      }
      time = until;
    },
  };
}
