/** Repeatable randomness (mulberry32): a failing test names its seed. */
export function randomFrom(seed: number) {
  let state = seed;
  const below = (end: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * end);
  };
  return { below, pick: <T>(from: readonly T[]): T => from[below(from.length)] as T };
}
