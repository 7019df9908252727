import { type Answer, refusal } from './answer.ts';

export type KeyCheck =
  | { readonly ok: true; readonly key: string }
  | { readonly ok: false; readonly answer: Answer };

// draft-ietf-httpapi-idempotency-key-header-07: an RFC 8941 string. Most clients send the value bare, so that is taken too.
const QUOTED = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
const BARE = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+$/;
const KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * Judges the key of one request by itself: this service trusts no caller's word for it.
 *
 * @param lines every `Idempotency-Key` line of the request, as they came
 */
export function checkKey(lines: readonly string[] | undefined): KeyCheck {
  if (lines === undefined || lines.length === 0) return { ok: false, answer: MISSING };
  const [line = ''] = lines;
  const text = line.trim();
  const quoted = QUOTED.exec(text)?.[1]?.replaceAll(/\\(["\\])/g, '$1');
  const key = quoted ?? (BARE.test(text) ? text : undefined);
  if (lines.length > 1 || key === undefined || !KEY.test(key)) return { ok: false, answer: MALFORMED };
  return { ok: true, key };
}

const MISSING = refusal(400, 'key_missing', 'Every POST needs an Idempotency-Key');
const MALFORMED = refusal(
  400,
  'key_malformed',
  'Idempotency-Key is one string of 1 to 255 visible ASCII characters, quoted or bare',
);
