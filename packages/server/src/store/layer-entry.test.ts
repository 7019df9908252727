import { expect, test } from 'vitest';
import { entrySeal } from '../engine/entry-seal.ts';
import { createSealing } from '../sealing/sealing.ts';
import { checksum, entryFromText, type SettledEntry, textFromEntry } from './layer-entry.ts';

const entry: SettledEntry = {
  scope: 's',
  procedure: 'p',
  key: 'k',
  operationId: 'op',
  fingerprint: 'v1:f',
  state: 'completed',
  attempt: 2,
  outcome: '{"v":1,\n"ok":true}',
  expiresAt: 1000,
};
const ring = (id: string, byte: number) => {
  const bytes = Uint8Array.from({ length: 32 }, (_, index) => (byte + index) % 256);
  return entrySeal(createSealing({ current: id, keys: { [id]: bytes } }));
};
const seals = { checksum, 'key ring': ring('k1', 1) };

test.each(Object.entries(seals))('with a %s an entry is read back as it was kept', (_, seal) => {
  expect(entryFromText(textFromEntry(entry, seal), entry, seal, 999)).toEqual(entry);
});

test.each(Object.entries(seals))('with a %s no text with one character changed is an entry', (_, seal) => {
  const text = textFromEntry(entry, seal);
  for (let at = 0; at < text.length; at++) {
    const other = text[at] === 'x' ? 'y' : 'x';
    const changed = text.slice(0, at) + other + text.slice(at + 1);
    expect(entryFromText(changed, entry, seal, 0), changed).toBeUndefined();
    expect(entryFromText(text.slice(0, at), entry, seal, 0)).toBeUndefined();
  }
});

test.each(['scope', 'procedure', 'key'] as const)("another %s's entry is none", (part) => {
  const text = textFromEntry({ ...entry, [part]: 'x' }, checksum);
  expect(entryFromText(text, entry, checksum, 0)).toBeUndefined();
});

test('an expired entry is none, from its millisecond on', () => {
  const text = textFromEntry(entry, checksum);
  expect(entryFromText(text, entry, checksum, 1000)).toBeUndefined();
});

test('with a key ring neither a checksum nor a key of another ring is believed', () => {
  const seal = ring('k1', 1);
  expect(entryFromText(textFromEntry(entry, checksum), entry, seal, 0)).toBeUndefined();
  expect(entryFromText(textFromEntry(entry, ring('k1', 2)), entry, seal, 0)).toBeUndefined();
  expect(entryFromText(textFromEntry(entry, ring('k2', 1)), entry, seal, 0)).toBeUndefined();
});
