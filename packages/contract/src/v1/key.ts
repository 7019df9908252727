import { scanParameters, scanString, skipSpaces } from './structured-field.ts';

/** What a caller names one intended action by. `ageMs` is the time since the key was made, by its maker's own clock. */
export interface IdempotencyKey {
  readonly key: string;
  readonly ageMs?: number;
}

export type KeyParse = { ok: true; key: IdempotencyKey } | { ok: false; reason: string };

/** Longest key, in characters. */
export const MAX_KEY_LENGTH = 255;

const VISIBLE_ASCII = /^[!-~]{1,255}$/;
// A bare value: visible ASCII without `"` `,` `;` `\`, not beginning like another structured-field type.
const BARE = /^(?![?:@(])[!#-+\--:<-[\]-~]+$/;
const MAX_AGE_SECONDS = 999_999_999_999_999; // the largest integer of a structured field

/** Whether `key` is 1 to 255 characters of visible ASCII (0x21 to 0x7E). */
export function isValidKey(key: string): boolean {
  return typeof key === 'string' && VISIBLE_ASCII.test(key);
}

/** @throws TypeError for a key that `isValidKey` refuses */
export function assertValidKey(key: string): void {
  if (!isValidKey(key)) {
    throw new TypeError('key_malformed: not 1 to 255 characters of visible ASCII');
  }
}

/**
 * Parses the value of the singular header: a quoted string (parameter `age` in whole seconds, others ignored) or a
 * bare value; `"k"` and `k` are the same key. Two header lines arrive joined by a comma and are malformed.
 * Never throws; `reason` is fit to be sent to the caller and doesn't repeat the value.
 *
 * @example parseKeyHeader('"order-7";age=90') // { ok: true, key: { key: 'order-7', ageMs: 90000 } }
 */
export function parseKeyHeader(value: string): KeyParse {
  const start = skipSpaces(value, 0);
  let end = value.length;
  while (end > start && value.charCodeAt(end - 1) === 0x20) end--;
  if (start === end) return { ok: false, reason: 'the key is empty' };
  if (value.charCodeAt(start) !== 0x22) {
    const bare = value.slice(start, end);
    if (!BARE.test(bare)) {
      return {
        ok: false,
        reason: bare.includes(',')
          ? 'more than one key was sent (a key that holds a comma has to be quoted)'
          : 'an unquoted key holds a character that only a quoted one may hold, or none may',
      };
    }
    return keyFrom(bare, undefined);
  }
  const item = scanKeyItem(value, start);
  if (!item.ok) return item;
  if (skipSpaces(value, item.end) !== value.length) {
    return {
      ok: false,
      reason: `something follows the key at position ${item.end} (only one key may be sent)`,
    };
  }
  return { ok: true, key: item.key };
}

/** One quoted key with its parameters, as it stands in both headers. */
export function scanKeyItem(
  text: string,
  start: number,
): { ok: true; key: IdempotencyKey; end: number } | { ok: false; reason: string } {
  const string = scanString(text, start);
  if (!string.ok) return string;
  const parameters = scanParameters(text, string.end);
  if (!parameters.ok) return parameters;
  const parsed = keyFrom(string.value, parameters.value.ageSeconds);
  return parsed.ok ? { ...parsed, end: parameters.end } : parsed;
}

function keyFrom(key: string, ageSeconds: number | undefined): KeyParse {
  if (key.length === 0) return { ok: false, reason: 'the key is empty' };
  if (key.length > MAX_KEY_LENGTH) {
    return { ok: false, reason: `the key has ${key.length} characters, more than ${MAX_KEY_LENGTH}` };
  }
  if (!VISIBLE_ASCII.test(key)) return { ok: false, reason: 'the key holds a space' };
  return { ok: true, key: ageSeconds === undefined ? { key } : { key, ageMs: ageSeconds * 1000 } };
}

/**
 * The header form of a key: always quoted, age rounded up to whole seconds (older is the safe side), left out when unknown.
 *
 * @throws TypeError for a key that `isValidKey` refuses, or an age that is no number.
 */
export function serializeKeyHeader(key: IdempotencyKey): string {
  assertValidKey(key.key);
  const quoted = `"${key.key.replace(/["\\]/g, '\\$&')}"`;
  if (key.ageMs === undefined) return quoted;
  if (Number.isNaN(key.ageMs)) throw new TypeError('ageMs is NaN');
  // A clock that was set back makes a negative age: the key was just made, as far as anyone can tell.
  const seconds = Math.min(Math.max(Math.ceil(key.ageMs / 1000), 0), MAX_AGE_SECONDS);
  return `${quoted};age=${seconds}`;
}
