/** Two lanes of 32 bits, as signed integers: the engine keeps those without a box. */
export interface Hash {
  hi: number;
  lo: number;
}

/** Goes on from a hash with one more part, or with the first characters of it. The part's length is in it, so that ('ab', 'c') isn't ('a', 'bc'). */
export type Hasher = (from: Hash, part: string, length?: number) => Hash;

// Keys and fingerprints are strings of many makings (cut, joined, parsed): `part.charCodeAt` would look the method up anew for
// each character of each, half of what a look costs.
const { charCodeAt } = String.prototype;

export const START: Hash = { hi: 0, lo: 0 };

/**
 * Keys and fingerprints are remembered as these and never as themselves. Not cryptographic, but seeded: the seed is made
 * for one process and never leaves it, so nobody can aim for a place in the tables, and what is remembered says nothing
 * outside. Two that look the same here cost a wrong count.
 */
export function createHasher(seed: ArrayLike<number> = crypto.getRandomValues(new Int32Array(2))): Hasher {
  const [high = 0, low = 0] = Array.from(seed);
  return (from, part, length = part.length) => {
    let hi = from.hi ^ high ^ length;
    let lo = from.lo ^ low;
    // Four characters a step, two for each lane: a call has 150 of them, and this is most of what looking at it costs.
    let i = 0;
    for (; i + 3 < length; i += 4) {
      hi = Math.imul(hi ^ charCodeAt.call(part, i) ^ (charCodeAt.call(part, i + 1) << 16), 0x9e3779b1);
      lo = Math.imul(lo ^ charCodeAt.call(part, i + 2) ^ (charCodeAt.call(part, i + 3) << 16), 0x5f356495);
    }
    for (; i < length; i++) hi = Math.imul(hi ^ charCodeAt.call(part, i), 0x9e3779b1);
    lo = finished(lo ^ hi);
    hi = finished(hi ^ lo);
    return { hi, lo };
  };
}

/** MurmurHash3's finalizer: every bit on every bit. */
function finished(lane: number): number {
  let mixed = Math.imul(lane ^ (lane >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
