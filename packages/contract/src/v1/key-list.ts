import { type IdempotencyKey, scanKeyItem, serializeKeyHeader } from './key.ts';
import { scanParameters, skipSpaces } from './structured-field.ts';

/** `undefined` = that call of the batch carries no key. */
export type KeyListParse = { ok: true; keys: (IdempotencyKey | undefined)[] } | { ok: false; reason: string };

/**
 * Parses the plural header of a batch: one member per call in batch order, a quoted key or `?0` for none.
 * Bare values aren't allowed here. Whether the length is the batch's is the caller's check. Never throws.
 *
 * @example parseKeyListHeader('"k0", ?0') // { ok: true, keys: [{ key: 'k0' }, undefined] }
 */
export function parseKeyListHeader(value: string): KeyListParse {
  const keys: (IdempotencyKey | undefined)[] = [];
  let at = skipSpaces(value, 0);
  if (at === value.length) return { ok: false, reason: 'the list of keys is empty' };
  for (;;) {
    const member = scanMember(value, at);
    if (!member.ok) return { ok: false, reason: `member ${keys.length}: ${member.reason}` };
    keys.push(member.key);
    at = skipBlanks(value, member.end);
    if (at === value.length) return { ok: true, keys };
    if (value.charCodeAt(at) !== 0x2c) return { ok: false, reason: `expected a comma at position ${at}` };
    at = skipBlanks(value, at + 1);
    if (at === value.length) return { ok: false, reason: 'the list of keys ends with a comma' };
  }
}

function scanMember(
  text: string,
  at: number,
): { ok: true; key: IdempotencyKey | undefined; end: number } | { ok: false; reason: string } {
  if (text.charCodeAt(at) === 0x22) return scanKeyItem(text, at);
  if (!text.startsWith('?0', at)) return { ok: false, reason: 'neither a quoted key nor ?0' };
  const parameters = scanParameters(text, at + 2);
  return parameters.ok ? { ok: true, key: undefined, end: parameters.end } : parameters;
}

/** Around commas of a list tabs count as well (RFC 8941, 4.2.1), unlike at the ends of a field. */
function skipBlanks(text: string, start: number): number {
  let at = start;
  while (text.charCodeAt(at) === 0x20 || text.charCodeAt(at) === 0x09) at++;
  return at;
}

/**
 * The header form of a batch's keys.
 *
 * @throws TypeError for a key that `isValidKey` refuses, or an empty list (a batch has at least one call).
 */
export function serializeKeyListHeader(keys: readonly (IdempotencyKey | undefined)[]): string {
  if (keys.length === 0) throw new TypeError('a list without keys');
  return keys.map((key) => (key === undefined ? '?0' : serializeKeyHeader(key))).join(', ');
}
