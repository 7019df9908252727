import fc from 'fast-check';
import { DisplayString, parseItem, parseList } from 'structured-headers';
import { describe, expect, it } from 'vitest';
import { isValidKey, parseKeyHeader, serializeKeyHeader } from './key.ts';
import { parseKeyListHeader, serializeKeyListHeader } from './key-list.ts';

const runs = { numRuns: 3000 };
const visible = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code));
const key = fc.string({ unit: visible, minLength: 1, maxLength: 255 });
const keyWithAge = fc.oneof(
  fc.record({ key }, { noNullPrototype: true }),
  fc.record(
    { key, ageMs: fc.integer({ min: 0, max: 10 ** 12 }).map((seconds) => seconds * 1000) },
    { noNullPrototype: true },
  ),
);

// Mostly almost-right headers: pieces of the grammar in a random order, with some noise between.
const piece = fc.oneof(
  fc.constantFrom(
    '"',
    '"k"',
    '"a,b"',
    '"\\""',
    '\\',
    '"x\\\\"',
    ';',
    '; ',
    ';age=1',
    ';age=2.5',
    ';age=-1',
    ';age=-0',
  ),
  fc.constantFrom(
    ';age',
    ';a',
    ';a=b',
    ';a="c"',
    ';a=:YQ==:',
    ';a=:YQ:',
    ';a=:Y:',
    ';a=?1',
    ';a=@1',
    ';a=%"x"',
    ';*=1.25',
  ),
  fc.constantFrom(
    '=',
    ' ',
    '\t',
    ',',
    ', ',
    ' ,',
    '?0',
    '?1',
    '?',
    ':',
    '(',
    ')',
    '1',
    'k',
    'é',
    '\u0000',
    '\u007f',
  ),
  fc.string({ maxLength: 3 }),
);
const quotedHeader = fc.array(piece, { maxLength: 8 }).map((pieces) => `"k${pieces.join('')}`);
const anyHeader = fc.array(piece, { maxLength: 9 }).map((pieces) => pieces.join(''));

/** Where we mean to refuse what a complete RFC 9651 parser takes. */
function refusedOnPurpose(parameters: Map<string, unknown>, header: string): boolean {
  for (const value of parameters.values()) {
    // The contract names RFC 8941; these two types came with RFC 9651.
    if (value instanceof Date || value instanceof DisplayString) return true;
  }
  const age = parameters.get('age');
  if (age === undefined) return false;
  // An age that isn't whole seconds would switch off the guard against old keys. 2.0 is a decimal, -0 is signed.
  return typeof age !== 'number' || !Number.isInteger(age) || age < 0 || /age=-|age=\d+\.\d/.test(header);
}

/** Where the library's answer no longer shows whether a parameter that it overwrote was one of those. */
const hidesParameters = (header: string): boolean =>
  /=[@%].*;/s.test(header) || (header.match(/age/g)?.length ?? 0) > 1;

const library = <T>(parse: () => T): T | undefined => {
  try {
    return parse();
  } catch {
    return undefined;
  }
};

describe('the singular header beside a complete structured-field parser', () => {
  it('takes exactly the string items of 1 to 255 visible ASCII characters that it takes', () => {
    let taken = 0;
    fc.assert(
      fc.property(
        fc.oneof(
          quotedHeader,
          anyHeader.filter((header) => /^ *"/.test(header)),
        ),
        (header) => {
          if (hidesParameters(header)) return;
          const theirs = library(() => parseItem(header));
          const ours = parseKeyHeader(header);
          const wanted =
            theirs &&
            typeof theirs[0] === 'string' &&
            isValidKey(theirs[0]) &&
            !refusedOnPurpose(theirs[1], header)
              ? theirs
              : undefined;
          expect(ours.ok, header).toBe(wanted !== undefined);
          if (!ours.ok || !wanted) return;
          taken++;
          const age = wanted[1].get('age') as number | undefined;
          expect(ours.key).toStrictEqual(
            age === undefined ? { key: wanted[0] } : { key: wanted[0], ageMs: age * 1000 },
          );
        },
      ),
      runs,
    );
    expect(taken).toBeGreaterThan(100);
  });

  it('takes a bare value only where that is no other structured-field type than token, number or garbage', () => {
    fc.assert(
      fc.property(fc.oneof(key, anyHeader), (header) => {
        const value = header.replace(/^ +| +$/g, '');
        if (value.startsWith('"')) return;
        const allowed =
          value.length <= 255 && /^[!-~]+$/.test(value) && !/["\\,;]/.test(value) && !/^[?:@(]/.test(value);
        expect(parseKeyHeader(header)).toEqual(
          allowed ? { ok: true, key: { key: value } } : { ok: false, reason: expect.any(String) },
        );
      }),
      runs,
    );
  });
});

describe('the list beside a complete structured-field parser', () => {
  it('takes exactly the lists of such strings and ?0 that it takes', () => {
    let taken = 0;
    fc.assert(
      fc.property(anyHeader, (header) => {
        if (hidesParameters(header)) return;
        const theirs = library(() => parseList(header));
        const ours = parseKeyListHeader(header);
        const wanted =
          theirs !== undefined &&
          theirs.length > 0 && // an empty field is an empty list to them; a batch has at least one call
          theirs.every(
            ([value, parameters]) =>
              (value === false || (typeof value === 'string' && isValidKey(value))) &&
              !refusedOnPurpose(parameters, header),
          );
        expect(ours.ok, header).toBe(wanted);
        if (!ours.ok || !theirs) return;
        taken++;
        expect(ours.keys.map((item) => item?.key ?? false)).toEqual(theirs.map(([value]) => value));
      }),
      { numRuns: 10_000 },
    );
    expect(taken).toBeGreaterThan(100);
  });
});

describe('serialising', () => {
  it('round-trips every key and age of whole seconds', () => {
    fc.assert(
      fc.property(keyWithAge, (original) => {
        expect(parseKeyHeader(serializeKeyHeader(original))).toStrictEqual({ ok: true, key: original });
      }),
    );
  });

  it('round-trips every list', () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(keyWithAge, { nil: undefined }), { minLength: 1, maxLength: 12 }),
        (keys) => {
          expect(parseKeyListHeader(serializeKeyListHeader(keys))).toStrictEqual({ ok: true, keys });
        },
      ),
    );
  });

  it('writes what another implementation reads', () => {
    expect(serializeKeyHeader({ key: 'a"b\\c' })).toBe('"a\\"b\\\\c"');
    expect(serializeKeyHeader({ key: 'k', ageMs: 0 })).toBe('"k";age=0');
    expect(serializeKeyHeader({ key: 'k', ageMs: 1 })).toBe('"k";age=1');
    expect(serializeKeyHeader({ key: 'k', ageMs: 93_600_000 })).toBe('"k";age=93600');
    expect(serializeKeyHeader({ key: 'k', ageMs: -5 })).toBe('"k";age=0');
    expect(serializeKeyHeader({ key: 'k', ageMs: Number.POSITIVE_INFINITY })).toBe('"k";age=999999999999999');
    expect(serializeKeyListHeader([{ key: 'k0' }, undefined, { key: 'k2', ageMs: 1500 }])).toBe(
      '"k0", ?0, "k2";age=2',
    );
  });

  it('refuses what no header can carry', () => {
    for (const bad of ['', ' ', 'a b', 'é', '\n', 'x'.repeat(256)]) {
      expect(() => serializeKeyHeader({ key: bad })).toThrow(TypeError);
    }
    expect(() => serializeKeyHeader({ key: 'k', ageMs: Number.NaN })).toThrow(TypeError);
    expect(() => serializeKeyListHeader([])).toThrow(TypeError);
  });
});

describe('reasons', () => {
  it('never repeat the value', () => {
    for (const header of [
      '"sekret',
      'sekret sekret',
      '"sekret" "x"',
      '"sekret";age=sekret',
      '"sek\\ret"',
      '"sekrét"',
    ]) {
      const parsed = parseKeyHeader(header);
      expect(parsed.ok).toBe(false);
      expect(JSON.stringify(parsed)).not.toContain('sek');
    }
  });

  it('tell two header lines, which arrive joined, from a wrong character', () => {
    expect(parseKeyHeader('a, b')).toEqual({
      ok: false,
      reason: 'more than one key was sent (a key that holds a comma has to be quoted)',
    });
  });

  it('take no longer than the header is long', () => {
    expect(parseKeyHeader(`"${'\\"'.repeat(100_000)}`).ok).toBe(false);
    expect(parseKeyHeader(`"k"${';a'.repeat(100_000)} x`).ok).toBe(false);
    expect(parseKeyHeader(`"k";a="${'\\"'.repeat(100_000)}`).ok).toBe(false);
    expect(parseKeyListHeader('"k", '.repeat(50_000)).ok).toBe(false);
  });
});
