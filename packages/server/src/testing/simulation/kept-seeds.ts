/**
 * Seeds that once found something, and what. A seed means a run only for the simulation as it is: whoever changes what it
 * draws writes a small test of its own for what a seed had found, and keeps the new ones here.
 */
export const KEPT_SEEDS: readonly (readonly [seed: number, once: string])[] = [
  [1006, 'an atomic call with an old key, whose record was forgotten between two looks, threw a TypeError'],
  [1082, 'an atomic call with an old key, whose record was forgotten between two looks, threw a TypeError'],
  [774, 'a no was stored over a charge whose answer was lost'],
  [783, 'a no was stored over a charge whose answer was lost'],
  [2880, 'a no was thrown to the caller and not stored'],
  [3733, 'a no was thrown to the caller and not stored'],
  [3283, 'a duplicate was told that its key had expired, because of the age of another’s'],
];
