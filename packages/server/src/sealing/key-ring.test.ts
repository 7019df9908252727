import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { createSemel } from '../semel.ts';
import { createMemoryStore } from '../store/memory.ts';
import { type KeyRing, KeyRingError, keysOf } from './key-ring.ts';

const key = (fill: number) => Uint8Array.from({ length: 32 }, (_, i) => (i + fill) % 256);
const ring = (change: object): KeyRing => ({ current: 'k1', keys: { k1: key(1) }, ...change }) as KeyRing;

test('takes 32 random bytes a key, of any kind of byte array, and looks them up by id', () => {
  const keys = keysOf({ current: 'k2', keys: { k1: randomBytes(32), k2: new Uint8Array(randomBytes(32)) } });
  expect([keys.current.id, keys.get('k1')?.id, keys.get('k3'), keys.get('constructor')]).toEqual([
    'k2',
    'k1',
    undefined,
    undefined,
  ]);
});

test.each([
  ['no keys', ring({ keys: {} }), 'it has no keys'],
  [
    'a current key that is not there',
    ring({ current: 'k9' }),
    'current names no key of the ring: it is "k9"',
  ],
  ['a current key that every object has', ring({ current: 'toString' }), 'it is "toString"'],
  ['a short key', ring({ keys: { k1: key(1).slice(1) } }), "key 'k1' has 31 bytes, not 32"],
  ['a long key', ring({ keys: { k1: randomBytes(64) } }), "key 'k1' has 64 bytes, not 32"],
  [
    'a key as text',
    ring({ keys: { k1: 'x'.repeat(32) } }),
    "key 'k1' is no Uint8Array but string: decode it first",
  ],
  ['a missing key', ring({ keys: { k1: undefined } }), "key 'k1' is no Uint8Array but undefined"],
  ['a key of zeros', ring({ keys: { k1: new Uint8Array(32) } }), "key 'k1' is one byte 32 times"],
  ['two equal keys', ring({ keys: { k1: key(1), k2: key(1) } }), "keys 'k1' and 'k2' have the same bytes"],
  ['an id with a colon', ring({ current: 'a:b', keys: { 'a:b': key(1) } }), 'the id "a:b" is not 1 to 32 of'],
  ['an id that is too long', ring({ keys: { k1: key(1), ['x'.repeat(33)]: key(2) } }), 'is not 1 to 32 of'],
  ['an empty id', ring({ keys: { k1: key(1), '': key(2) } }), 'the id "" is not 1 to 32 of'],
  ['nothing at all', null as unknown as KeyRing, "a key ring is { current: 'k1'"],
])('refuses %s when it starts, and says what is wrong', (_, wrong, says) => {
  const start = () => createSemel({ store: createMemoryStore(), keyRing: wrong, recovery: false });
  expect(start).toThrow(KeyRingError);
  expect(start).toThrow(says);
});

test('names everything that is wrong at once, and never a byte', () => {
  const keys = { k1: key(7).slice(2), 'k 2': key(7) };
  const message = (() => {
    try {
      keysOf({ current: 'k3', keys });
    } catch (error) {
      return String(error);
    }
    return '';
  })();
  expect(message.split('; ')).toHaveLength(3);
  expect(message).not.toMatch(/\b(7|8|9)\b.*\b(8|9|10)\b/);
});

test('a later change of the given bytes changes nothing', async () => {
  const mine = randomBytes(32);
  const before = keysOf({ current: 'k1', keys: { k1: mine } }).current.sealing;
  const keys = keysOf({ current: 'k1', keys: { k1: mine } });
  mine.fill(0);
  expect(keys.current.sealing.equals(before)).toBe(true);
});

test('derives a key of its own for each purpose', () => {
  const { current } = keysOf(ring({}));
  expect(current.sealing.equals(current.fingerprints)).toBe(false);
  expect(current.sealing.export().equals(key(1))).toBe(false);
});

test('shows no key bytes when it is printed', () => {
  const bytes = randomBytes(32);
  const semel = createSemel({
    store: createMemoryStore(),
    keyRing: { current: 'k1', keys: { k1: bytes } },
    recovery: false,
  });
  const printed = inspect([semel, keysOf({ current: 'k1', keys: { k1: bytes } })], {
    depth: 20,
    showHidden: true,
  });
  expect(printed).not.toContain(bytes.toString('hex').slice(0, 8));
  expect(printed).not.toContain([...bytes.subarray(0, 4)].join(', '));
});
