/**
 * The corner of RFC 8941 that a key header needs: a quoted string and the parameters behind an item.
 * Hand-written because the browser bundle carries it: a whole structured-field parser is larger than the client.
 * Compared with a complete library by differential fuzzing (`key.test.ts`, `key-list.test.ts`).
 */
export type Scanned<T> = { ok: true; value: T; end: number } | { ok: false; reason: string };

const fail = (reason: string): { ok: false; reason: string } => ({ ok: false, reason });

/** Reads the quoted string that starts at `start`. Reasons name positions, never content: a key may be a secret. */
export function scanString(text: string, start: number): Scanned<string> {
  if (text.charCodeAt(start) !== 0x22) return fail(`expected a double quote at position ${start}`);
  let value = '';
  let from = start + 1;
  for (let at = from; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x22) return { ok: true, value: value + text.slice(from, at), end: at + 1 };
    if (char === 0x5c) {
      const escaped = text.charCodeAt(at + 1);
      if (escaped !== 0x22 && escaped !== 0x5c) {
        return fail(`a backslash at position ${at} escapes neither a double quote nor a backslash`);
      }
      value += text.slice(from, at);
      from = at + 1;
      at++;
    } else if (char < 0x20 || char > 0x7e) {
      return fail(`a control or non-ASCII character at position ${at}`);
    }
  }
  return fail('the closing double quote is missing');
}

const PARAMETER_NAME = /; *([a-z*][a-z0-9_\-.*]*)/y;
// Integer or decimal, string, token, byte sequence, boolean: the types of RFC 8941. Those that RFC 9651 adds
// (date, display string) are refused: a key header is an RFC 8941 item.
const PARAMETER_VALUE =
  /=(-?(?:\d{1,12}\.\d{1,3}|\d{1,15})|"[ !#-[\]-~]*(?:\\["\\][ !#-[\]-~]*)*"|[A-Za-z*][!#$%&'*+\-.^_`|~:/A-Za-z0-9]*|:(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?:|\?[01])/y;
const WHOLE_SECONDS = /^\d{1,15}$/;

/**
 * Reads the parameters that start at `start` (none is fine). All but `age` are checked for their grammar and ignored.
 * An `age` that isn't whole seconds is an error: ignoring it would silently switch off the guard against old keys.
 */
export function scanParameters(text: string, start: number): Scanned<{ ageSeconds?: number }> {
  let at = start;
  let age: string | undefined;
  while (text.charCodeAt(at) === 0x3b) {
    PARAMETER_NAME.lastIndex = at;
    const name = PARAMETER_NAME.exec(text);
    if (!name) return fail(`a parameter without a name at position ${at}`);
    at = PARAMETER_NAME.lastIndex;
    let value = '?1';
    if (text.charCodeAt(at) === 0x3d) {
      PARAMETER_VALUE.lastIndex = at;
      const found = PARAMETER_VALUE.exec(text);
      if (!found) return fail(`a parameter value that is no structured-field item at position ${at + 1}`);
      value = found[1] as string;
      at = PARAMETER_VALUE.lastIndex;
    }
    if (name[1] === 'age') age = value; // RFC 8941, 3.1.2: the last of several counts
  }
  if (age === undefined) return { ok: true, value: {}, end: at };
  if (!WHOLE_SECONDS.test(age)) return fail('the age parameter is not a number of whole seconds');
  return { ok: true, value: { ageSeconds: Number(age) }, end: at };
}

/** The first position at or after `start` that holds no space. */
export function skipSpaces(text: string, start: number): number {
  let at = start;
  while (text.charCodeAt(at) === 0x20) at++;
  return at;
}
