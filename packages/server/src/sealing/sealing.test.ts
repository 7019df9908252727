import { fingerprint } from '@semel/contract/v1/pure';
import { describe, expect, test } from 'vitest';
import { createSealing, type SealedOperation, type Sealing } from './sealing.ts';

const bytes = (fill: number) => Uint8Array.from({ length: 32 }, (_, i) => (i * 7 + fill) % 256);
const k1 = bytes(1);
const k2 = bytes(2);
const plain = createSealing(undefined);
const first = createSealing({ current: 'k1', keys: { k1 } });
const rotated = createSealing({ current: 'k2', keys: { k1, k2 } });
const retired = createSealing({ current: 'k2', keys: { k2 } });

const identity = { scope: 'alice', procedure: 'pay', key: 'k' };
const print = fingerprint('pay', { amount: 1250 });
const operation: SealedOperation = {
  ...identity,
  operationId: 'operation-1',
  fingerprint: first.fingerprint(print, identity, true),
};
const SECRET = 'the card ends with 4242, ü漢😀';
const opened = (sealing: Sealing, text: string, of: SealedOperation = operation) =>
  sealing.open(text, of, 'outcome');

describe('a sealed text', () => {
  test('opens where it was sealed, and shows nothing before', () => {
    const sealed = first.seal(SECRET, operation, 'outcome');
    expect(sealed).toMatch(/^sealed1:k1:[A-Za-z0-9_-]+$/);
    expect(Buffer.from(sealed.slice(11), 'base64url').toString('latin1')).not.toContain('4242');
    expect(opened(first, sealed)).toEqual({ text: SECRET });
    expect(opened(first, first.seal('', operation, 'outcome'))).toEqual({ text: '' });
  });

  test('that was sealed by the first version opens for ever', () => {
    const sealed =
      'sealed1:k1:jzYQzfY0DuC86X8wR2tJD6qeycyZeI7qx6aIWXJXgzrWrrUW1FXPwxQiHN18YU5x0_OmPCSpnF1W602I8Kc';
    expect(opened(rotated, sealed)).toEqual({ text: SECRET });
  });

  test('is another text each time', () => {
    const all = Array.from({ length: 1000 }, () => first.seal(SECRET, operation, 'outcome'));
    expect(new Set(all.map((text) => text.slice(11, 27))).size).toBe(1000);
  });

  test('does not open after any change of any byte', () => {
    const sealed = first.seal('{"v":1,"ok":true,"value":{"json":1}}', operation, 'outcome');
    for (let at = 0; at < sealed.length; at++) {
      for (const char of ['A', 'B', '+', '=', ':', '{', ' ', '\n', 'é', sealed[at] === 'c' ? 'd' : 'c']) {
        const changed = sealed.slice(0, at) + char + sealed.slice(at + 1);
        if (changed === sealed) continue;
        const result = opened(first, changed);
        expect('text' in result, `${char} at ${at}`).toBe(false);
      }
      expect('text' in opened(first, sealed.slice(0, at)), `cut at ${at}`).toBe(false);
      expect('text' in opened(first, `${sealed.slice(0, at)}A${sealed.slice(at)}`), `longer at ${at}`).toBe(
        false,
      );
    }
    expect(opened(first, `${sealed}A`)).toEqual({ unopened: 'altered' });
  });

  test.each([
    ['scope', { scope: 'bob' }],
    ['procedure', { procedure: 'refund' }],
    ['key', { key: 'k2' }],
    ['operation', { operationId: 'operation-2' }],
  ])('does not open at another %s', (_, change) => {
    const sealed = first.seal(SECRET, operation, 'outcome');
    expect(opened(first, sealed, { ...operation, ...change })).toEqual({ unopened: 'altered' });
  });

  test('does not open as something else, or as a step of another name', () => {
    const sealed = first.seal(SECRET, operation, 'step', 'charge');
    expect(first.open(sealed, operation, 'step', 'charge')).toEqual({ text: SECRET });
    expect(first.open(sealed, operation, 'step', 'mail')).toEqual({ unopened: 'altered' });
    expect(first.open(sealed, operation, 'transaction', 'charge')).toEqual({ unopened: 'altered' });
    expect(first.open(sealed, operation, 'outcome')).toEqual({ unopened: 'altered' });
    const input = first.seal(SECRET, operation, 'input');
    expect(first.open(input, operation, 'input')).toEqual({ text: SECRET });
    expect(first.open(input, operation, 'outcome')).toEqual({ unopened: 'altered' });
  });

  test('does not tell its parts apart wrongly', () => {
    const sealed = first.seal(SECRET, { ...operation, scope: 'a', procedure: 'bc' }, 'outcome');
    expect(opened(first, sealed, { ...operation, scope: 'ab', procedure: 'c' })).toEqual({
      unopened: 'altered',
    });
  });

  test('is written under the current key and read with every key of the ring', () => {
    const old = first.seal(SECRET, operation, 'outcome');
    const fresh = rotated.seal(SECRET, operation, 'outcome');
    expect(fresh).toMatch(/^sealed1:k2:/);
    expect([opened(rotated, old), opened(rotated, fresh)]).toEqual([{ text: SECRET }, { text: SECRET }]);
    expect([opened(retired, old), opened(retired, fresh)]).toEqual([
      { unopened: 'unknown_key' },
      { text: SECRET },
    ]);
    expect([opened(plain, old), opened(first, fresh)]).toEqual([
      { unopened: 'unknown_key' },
      { unopened: 'unknown_key' },
    ]);
  });

  test('does not open under another key of the same name', () => {
    const sealed = first.seal(SECRET, operation, 'outcome');
    expect(opened(createSealing({ current: 'k1', keys: { k1: k2 } }), sealed)).toEqual({
      unopened: 'altered',
    });
    const renamed = sealed.replace(':k1:', ':k2:');
    expect(opened(createSealing({ current: 'k1', keys: { k1, k2 } }), renamed)).toEqual({
      unopened: 'altered',
    });
  });
});

describe('whether an operation is sealed', () => {
  test('is said by the fingerprint that it was claimed with', () => {
    const old: SealedOperation = { ...operation, fingerprint: print };
    expect(first.seal(SECRET, old, 'outcome')).toBe(SECRET);
    expect(opened(first, SECRET, old)).toEqual({ text: SECRET });
    expect(plain.seal(SECRET, old, 'outcome')).toBe(SECRET);
  });

  test('a plain text in a sealed operation is not taken', () => {
    expect(opened(first, '{"v":1,"ok":true,"value":{"json":"forged"}}')).toEqual({ unopened: 'unsealed' });
  });

  test('a process without a ring stores nothing for it', () => {
    expect(() => plain.seal(SECRET, operation, 'outcome')).toThrow('there is no key ring to seal with');
  });
});

describe('a stored fingerprint', () => {
  const judge = (sealing: Sealing, stored: string, asked = print) => sealing.judge(stored, asked, identity);
  const other = fingerprint('pay', { amount: 1251 });

  test('is a HMAC under the current key, or plain without a ring or where the policy opts out', () => {
    expect(operation.fingerprint).toMatch(/^v1:k1:[A-Za-z0-9_-]{43}$/);
    expect(rotated.fingerprint(print, identity, true)).toMatch(/^v1:k2:[A-Za-z0-9_-]{43}$/);
    expect(rotated.fingerprint(print, identity, false)).toBe(print);
    expect(plain.fingerprint(print, identity, true)).toBe(print);
  });

  test('is the same for one request for ever, and another for every identity and input', () => {
    const prints = [
      first.fingerprint(print, { ...identity, scope: 'bob' }, true),
      first.fingerprint(print, { ...identity, key: 'k2' }, true),
      first.fingerprint(print, { ...identity, procedure: 'refund' }, true),
      first.fingerprint(other, identity, true),
      rotated.fingerprint(print, identity, true),
      operation.fingerprint,
    ];
    expect(new Set(prints).size).toBe(6);
    expect(first.fingerprint(print, identity, true)).toBe(operation.fingerprint);
    // A change of the algorithm would make every record of every deployment another request's.
    expect(operation.fingerprint).toBe('v1:k1:JFZpXMAmExxYI0afDByAZx4v6zQBcNyqw0FECJaDyfg');
  });

  test('is judged by the key that it names', () => {
    for (const sealing of [first, rotated]) {
      expect(judge(sealing, operation.fingerprint)).toBe('same');
      expect(judge(sealing, operation.fingerprint, other)).toBe('other');
    }
    expect(judge(retired, operation.fingerprint)).toBe('unreadable');
    expect(judge(plain, operation.fingerprint)).toBe('unreadable');
  });

  test('from before the ring is compared as it was made', () => {
    expect([judge(rotated, print), judge(rotated, other)]).toEqual(['same', 'other']);
    expect([judge(plain, print), judge(plain, other)]).toEqual(['same', 'other']);
  });

  test('that was cut off or filled up is another', () => {
    for (const stored of [operation.fingerprint.slice(0, -1), `${operation.fingerprint}A`, 'v1:k1:', 'v1:']) {
      expect(judge(first, stored)).toBe('other');
    }
  });

  test('that was erased, or made by a later algorithm, is neither the same nor another', () => {
    expect(judge(first, 'purged')).toBe('purged');
    expect(judge(first, 'v2:k1:x')).toBe('unreadable');
  });

  test('of a step without a declared input is empty, sealed or not', () => {
    expect(first.fingerprint('', identity, true)).toBe('');
    expect([judge(first, '', ''), judge(first, operation.fingerprint, ''), judge(first, '', print)]).toEqual([
      'same',
      'other',
      'other',
    ]);
  });
});
