export interface Random {
  /** A whole number from 0. */
  below(n: number): number;
  /** So many of them: each as often as the others, give or take one, shuffled. */
  deal<T>(things: readonly T[], count: number): T[];
}

/** The same numbers for the same seed (mulberry32). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const below = (n: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * n);
  };
  return {
    below,
    deal(things, count) {
      const dealt: (typeof things)[number][] = [];
      while (dealt.length < count) {
        const left = [...things];
        while (left.length > 0 && dealt.length < count) {
          dealt.push(left.splice(below(left.length), 1)[0] as (typeof things)[number]);
        }
      }
      return dealt;
    },
  };
}
