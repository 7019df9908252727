import type { Clock } from '../clock.ts';
import type { Start } from './within.ts';

/** What all calls that one failure has hit have in common. */
export interface Share {
  /** The same draw for all of them, uniform in 0 … 1. */
  drawn: number;
  /** Takes one retry for all of them, or says that none is left. */
  take(): boolean;
  /** Sleeps as long as the first of them wants to. They wake in one tick: tRPC batches only what is sent in one. */
  sleep(ms: number): (...settle: Parameters<Start<void>>) => () => void;
}

/** Retries that all calls of a client share, so that an outage isn't answered with a storm. */
export interface Budget {
  share(failure: unknown): Share;
  /** A success gives a part of a retry back. */
  refill(): void;
}

/** An error object that is thrown again later is another failure. */
const SAME_FAILURE_MS = 100;

/**
 * The calls of a batch fail with one error. They cost one retry, draw one jitter and wake together: otherwise one lost
 * request of a hundred calls would come back as a hundred requests.
 */
export function createBudget(
  options: { max: number; refillPerSuccess: number },
  random: () => number,
  clock: Clock,
): Budget {
  let tokens = options.max;
  const shares = new WeakMap<object, Share & { at: number }>();
  return {
    share(failure) {
      const known = shares.get(failure as object);
      const at = clock.monotonic();
      if (known && at - known.at < SAME_FAILURE_MS) return known;
      const asleep = new Set<() => void>();
      let granted: boolean | undefined;
      let timer: unknown;
      const share: Share & { at: number } = {
        at,
        drawn: random(),
        // Asked again, the answer is the same.
        take: () => (granted ??= tokens >= 1 && tokens-- >= 1),
        sleep: (ms) => (wake) => {
          const wakeAll = () => {
            for (const each of asleep) each();
          };
          if (!asleep.size) timer = clock.setTimeout(wakeAll, ms);
          asleep.add(wake);
          return () => {
            asleep.delete(wake);
            if (!asleep.size) clock.clearTimeout(timer);
          };
        },
      };
      // One that is no object isn't found again.
      shares.set(Object(failure), share);
      return share;
    },
    refill() {
      tokens = Math.min(options.max, tokens + options.refillPerSuccess);
    },
  };
}
