import type { Clock } from '../clock.ts';

/** What all calls that one failure has hit have in common. */
export interface Share {
  /** The same draw for all of them, so that they come back together. */
  random: () => number;
  /** Takes one retry for all of them, or says that none is left. */
  take(): boolean;
}

/** Retries that all calls of a client share, so that an outage isn't answered with a storm. */
export interface Budget {
  share(failure: unknown): Share;
  /** A success gives a part of a retry back. */
  refill(): void;
}

const SAME_FAILURE_MS = 10;

/**
 * The calls of a batch fail with one error. They cost one retry and draw one jitter: with a draw each, one lost
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
      const drawn = random();
      let granted: boolean | undefined;
      const at = clock.monotonic();
      const share = {
        at,
        random: () => drawn,
        take() {
          granted ??= tokens >= 1 && tokens-- >= 1;
          return granted;
        },
      };
      if (typeof failure !== 'object' || !failure) return share;
      const known = shares.get(failure);
      // One error object that is thrown again later is another failure.
      if (known && at - known.at < SAME_FAILURE_MS) return known;
      shares.set(failure, share);
      return share;
    },
    refill() {
      tokens = Math.min(options.max, tokens + options.refillPerSuccess);
    },
  };
}
