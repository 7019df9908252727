import type { Hash, Hasher } from './hash.ts';
import type { MisuseLimits } from './options.ts';
import type { SeenCaller } from './seen-caller.ts';

/** Why a key is weak; the first that applies. */
export type Weakness = 'short' | 'identity' | 'timestamp' | 'few_characters' | 'sequential';

const DAY_MS = 86_400_000;
/** Fewer than that, in whatever length, is a fill: `0000-0000`, `aaaaaaaaaaaaaaaa`. Of 16 random digits 1 in 3,000 has so few. */
const MIN_DISTINCT = 5;
/** Longer numbers aren't counted up by anybody, and don't fit into one. */
const MAX_DIGITS = 15;

/**
 * What can be said of a key by looking at it. It can only name the obvious: no key proves that it is random.
 * Whether it is `sequential` is for {@link countedUp}.
 */
export function weaknessOf(
  key: string,
  scope: string,
  wallMs: number,
  { minLength }: NonNullable<MisuseLimits['weakKeys']>,
): Weakness | undefined {
  if (key === scope) return 'identity';
  const at = key.indexOf('@');
  if (at > 0 && key.indexOf('.', at) > at + 1) return 'identity';
  if (key.length < minLength) return 'short';
  if (isNow(key, wallMs)) return 'timestamp';
  return distinctCharacters(key) < MIN_DISTINCT ? 'few_characters' : undefined;
}

/** Whether a key is the one before counted up by one, as hashes: neither is kept. */
export function countedUp(key: string, caller: SeenCaller, hash: Hasher, base: Hash): boolean {
  const digits = trailingDigits(key);
  if (digits === 0 || digits > MAX_DIGITS) return false;
  const start = key.length - digits;
  const number = Number(key.slice(start));
  const before = hash(base, key, start).lo;
  const counted = caller.successor === numbered(before, number);
  caller.successor = numbered(before, number + 1);
  return counted;
}

const numbered = (before: number, number: number): number =>
  Math.imul(before ^ number, 0x9e3779b1) ^ Math.imul(number / 0x1_0000_0000, 0x85ebca6b);

/** @returns how many, once they are too many; else 0 */
export function weakKey(caller: SeenCaller, limits: NonNullable<MisuseLimits['weakKeys']>): number {
  caller.weak++;
  return caller.weak >= limits.keys ? caller.weak : 0;
}

/** Ends in the time of day, in seconds or milliseconds: two of one moment collide, and the next can be guessed. */
function isNow(key: string, wallMs: number): boolean {
  const digits = trailingDigits(key);
  if (digits !== 10 && digits !== 13) return false;
  const time = Number(key.slice(-digits)) * (digits === 10 ? 1000 : 1);
  return Math.abs(time - wallMs) < DAY_MS;
}

function trailingDigits(key: string): number {
  let start = key.length;
  while (start > 0) {
    const code = key.charCodeAt(start - 1);
    if (code < 48 || code > 57) break;
    start--;
  }
  return key.length - start;
}

/** Counted up to what is enough. Keys are visible ASCII: 0x21 to 0x7E. */
function distinctCharacters(key: string): number {
  let low = 0;
  let middle = 0;
  let high = 0;
  let distinct = 0;
  for (let i = 0; i < key.length && distinct < MIN_DISTINCT; i++) {
    const code = key.charCodeAt(i);
    const bit = 1 << (code & 31);
    const seen = code < 64 ? low : code < 96 ? middle : high;
    if ((seen & bit) !== 0) continue;
    distinct++;
    if (code < 64) low |= bit;
    else if (code < 96) middle |= bit;
    else high |= bit;
  }
  return distinct;
}
