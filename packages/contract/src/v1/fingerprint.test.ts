import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { childKey } from './child-key.ts';
import { fingerprint, fingerprintBytes, fingerprintParts, fingerprintVersion } from './fingerprint.ts';
import { isValidKey } from './key.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('the fingerprint', () => {
  it('covers the procedure, so that no name and input run into one another', () => {
    const all = [
      fingerprint('a', 'b'),
      fingerprint('ab', ''),
      fingerprint('a"b"', ''),
      fingerprint('a:1,"b"', null),
      fingerprint('', 'ab'),
      fingerprintBytes('a', '', bytes('"b"')),
      fingerprintBytes('a', '"b"', bytes('')),
      fingerprintBytes('', 'a', bytes('"b"')),
      fingerprintParts('a', []),
    ];
    expect(new Set(all).size).toBe(all.length);
    for (const one of all) expect(one).toMatch(/^v1:[A-Za-z0-9_-]{43}$/);
  });

  it('names the algorithm that made it', () => {
    expect(fingerprintVersion(fingerprint('p', 1))).toBe('v1');
    expect(fingerprintVersion('v2:key-7:abc')).toBe('v2');
    expect(fingerprintVersion('abc')).toBe('');
  });

  it('passes limits on', () => {
    expect(() => fingerprint('p', 'xxxx', { maxBytes: 5 })).toThrow('too_large');
    expect(() => fingerprint('p', [[]], { maxDepth: 1 })).toThrow('too_deep');
  });

  it('refuses a procedure name that UTF-8 would change', () => {
    expect(() => fingerprint('\ud800', 1)).toThrow(TypeError);
    expect(fingerprint('😀', 1)).not.toBe(fingerprint('\ufffd', 1));
  });
});

describe('the fingerprint of a multipart body', () => {
  const part = { name: 'file', filename: 'a.txt', contentType: 'text/plain', body: bytes('x') };
  const base = fingerprintParts('files.put', [part, { name: 'note', body: bytes('y') }]);

  it('is the same for the same parts', () => {
    const again = [
      { ...part, contentType: 'Text/Plain' },
      { name: 'note', body: bytes('y') },
    ];
    expect(fingerprintParts('files.put', again)).toBe(base);
  });

  it('differs in every part of a part, their order and their number', () => {
    const note = { name: 'note', body: bytes('y') };
    const all = [
      base,
      fingerprintParts('files.post', [part, note]),
      fingerprintParts('files.put', [note, part]),
      fingerprintParts('files.put', [part]),
      fingerprintParts('files.put', [{ ...part, name: 'other' }, note]),
      fingerprintParts('files.put', [{ ...part, filename: 'b.txt' }, note]),
      fingerprintParts('files.put', [{ ...part, filename: '' }, note]),
      fingerprintParts('files.put', [
        { name: part.name, contentType: part.contentType, body: part.body },
        note,
      ]),
      fingerprintParts('files.put', [{ ...part, contentType: 'text/html' }, note]),
      fingerprintParts('files.put', [{ ...part, body: bytes('z') }, note]),
      fingerprintParts('files.put', [
        { ...part, body: bytes('') },
        { ...note, body: bytes('xy') },
      ]),
    ];
    expect(new Set(all).size).toBe(all.length);
  });
});

describe('a child key', () => {
  const parts = { scope: 's', procedure: 'p', key: 'k', step: 'charge' };

  it('is never shared by two different operations or steps', () => {
    const seen = new Map<string, string>();
    const short = fc.string({ unit: fc.constantFrom('a', '1', ':', ','), maxLength: 3 });
    fc.assert(
      fc.property(short, short, short, short, (scope, procedure, key, step) => {
        const made = childKey({ scope, procedure, key, step });
        const of = JSON.stringify([scope, procedure, key, step]);
        expect(seen.get(made) ?? of).toBe(of);
        seen.set(made, of);
      }),
      { numRuns: 5000 },
    );
  });

  it('with a prefix stays a valid key and keeps its hash', () => {
    const hash = childKey(parts);
    expect(childKey(parts, 'charge')).toBe(`charge-${hash}`);
    expect(childKey(parts, 'charge the card é')).toBe(`charge-the-card---${hash}`);
    const long = childKey(parts, 'x'.repeat(1000));
    expect(long).toHaveLength(255);
    expect(long.endsWith(hash)).toBe(true);
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (prefix) => isValidKey(childKey(parts, prefix))));
  });

  it('refuses parts that UTF-8 would change', () => {
    expect(() => childKey({ ...parts, scope: '\ud800' })).toThrow(TypeError);
  });
});
