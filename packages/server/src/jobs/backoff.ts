/**
 * Exponential with full jitter: anything between nothing and the cap, so that work that failed together (its provider was
 * away) doesn't come back together.
 *
 * @param attempt the one that has just failed, from 1
 * @param random [0, 1)
 */
export function backoffMs(
  attempt: number,
  { minMs, maxMs }: { readonly minMs: number; readonly maxMs: number },
  random: () => number = Math.random,
): number {
  return Math.floor(random() * backoffCapMs(attempt, { minMs, maxMs }));
}

/** Doubles with each attempt, from `minMs` to `maxMs`. */
export function backoffCapMs(
  attempt: number,
  { minMs, maxMs }: { readonly minMs: number; readonly maxMs: number },
): number {
  // 2^52 milliseconds are longer than any bound, and exact.
  return Math.min(maxMs, minMs * 2 ** Math.min(Math.max(0, attempt - 1), 52));
}
