import type { Clock } from '../clock.ts';

/** Time that only moves when told to. */
export interface TestClock extends Clock {
  /** Moves both clocks forward, running what falls due in order. */
  advance(ms: number): Promise<void>;
  /** Runs timer after timer until the promise settles. */
  drive<T>(promise: Promise<T>): Promise<T>;
  /** Sets the wall clock, as a user or NTP does. */
  jump(ms: number): void;
  readonly timers: number;
}

const settleMicrotasks = async () => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};

export function testClock(): TestClock {
  let elapsed = 0;
  let wall = Date.UTC(2026, 0, 1);
  const timers = new Map<object, { at: number; run: () => void }>();
  const runNext = async (until: number): Promise<boolean> => {
    await settleMicrotasks();
    const [next] = [...timers].filter(([, { at }]) => at <= until).sort(([, a], [, b]) => a.at - b.at);
    if (!next) return false;
    const [handle, { at, run }] = next;
    timers.delete(handle);
    wall += Math.max(0, at - elapsed);
    elapsed = Math.max(elapsed, at);
    run();
    return true;
  };
  return {
    now: () => wall,
    monotonic: () => elapsed,
    setTimeout(run, ms) {
      const handle = {};
      timers.set(handle, { at: elapsed + ms, run });
      return handle;
    },
    clearTimeout: (handle) => void timers.delete(handle as object),
    async advance(ms) {
      const until = elapsed + ms;
      while (await runNext(until));
      wall += until - elapsed;
      elapsed = until;
      await settleMicrotasks();
    },
    async drive(promise) {
      let settled = false;
      const mark = () => {
        settled = true;
      };
      promise.then(mark, mark);
      for (;;) {
        await settleMicrotasks();
        if (settled) return promise;
        if (!(await runNext(Infinity))) throw new Error('nothing is due, and the promise is open');
      }
    },
    jump(ms) {
      wall += ms;
    },
    get timers() {
      return timers.size;
    },
  };
}
