import { expect, test } from 'vitest';
import { createProcessLayer, type ProcessLayer } from './layer-process.ts';

const holder = { owner: 'o', attempt: 0 };
const at = (key: string, scope = 's') => ({ scope, procedure: 'p', key });
const known = (layer: ProcessLayer, key: string, scope?: string) => {
  const found = layer.ask(at(key, scope), holder, 1000);
  return found.kind === 'known' ? found.entry.outcome : found;
};
const keep = (layer: ProcessLayer, identity: ReturnType<typeof at>, outcome: string, ms: number) => {
  const settled = { operationId: 'op', fingerprint: 'v1:f', state: 'completed', attempt: 1 } as const;
  layer.keep(identity, 'text', ms, { ...identity, ...settled, outcome, expiresAt: 1 });
};
const NOTHING = { kind: 'none', held: false };

test('keeps texts by identity, and is at nothing itself', () => {
  const layer = createProcessLayer();
  keep(layer, at('k'), 'text', 1000);
  expect(known(layer, 'k')).toBe('text');
  expect(known(layer, 'k', 'another')).toEqual(NOTHING);
  expect(known(layer, 'l')).toEqual(NOTHING);
});

test('forgets at the end of the time left, and after a minute at the latest', () => {
  let now = 0;
  const layer = createProcessLayer({ clock: () => now });
  keep(layer, at('short'), 'a', 1000);
  keep(layer, at('long'), 'b', 86_400_000);
  now = 999;
  expect(known(layer, 'short')).toBe('a');
  now = 1000;
  expect(known(layer, 'short')).toEqual(NOTHING);
  now = 59_999;
  expect(known(layer, 'long')).toBe('b');
  now = 60_000;
  expect(known(layer, 'long')).toEqual(NOTHING);
});

test('being asked for makes nothing live longer', () => {
  let now = 0;
  const layer = createProcessLayer({ clock: () => now, maxAgeMs: 100 });
  keep(layer, at('k'), 'a', 1000);
  now = 99;
  expect(known(layer, 'k')).toBe('a');
  now = 100;
  expect(known(layer, 'k')).toEqual(NOTHING);
});

test('of too many entries the one that was asked for longest ago goes first', () => {
  const layer = createProcessLayer({ maxEntries: 2 });
  keep(layer, at('a'), 'a', 1000);
  keep(layer, at('b'), 'b', 1000);
  expect(known(layer, 'a')).toBe('a');
  keep(layer, at('c'), 'c', 1000);
  expect([known(layer, 'a'), known(layer, 'b'), known(layer, 'c')]).toEqual(['a', NOTHING, 'c']);
});

test('bytes are bounded too: by what lies there now, not by what was ever kept', () => {
  const layer = createProcessLayer({ maxBytes: 4000 });
  for (let i = 0; i < 50; i++) keep(layer, at('same'), 'x'.repeat(800), 1000);
  expect(known(layer, 'same')).toBe('x'.repeat(800));
  keep(layer, at('other'), 'y'.repeat(800), 1000);
  expect(known(layer, 'same')).toEqual(NOTHING);
  keep(layer, at('huge'), 'z'.repeat(2000), 1000);
  expect(known(layer, 'huge')).toEqual(NOTHING);
  expect(known(layer, 'other')).toBe('y'.repeat(800));
});

test('forgets what it is told to, and takes it from no slow reader for as long', () => {
  let now = 0;
  const layer = createProcessLayer({ clock: () => now });
  keep(layer, at('k'), 'text', 1000);
  layer.forget(at('k'), 5000);
  expect(known(layer, 'k')).toEqual(NOTHING);
  now = 4999;
  keep(layer, at('k'), 'text', 1000);
  expect(known(layer, 'k')).toEqual(NOTHING);
  now = 5000;
  keep(layer, at('k'), 'text', 1000);
  expect(known(layer, 'k')).toBe('text');
});

test.each([{ maxEntries: 0 }, { maxBytes: Number.NaN }, { maxAgeMs: -1 }])('%o is refused', (options) => {
  expect(() => createProcessLayer(options)).toThrow(/is a positive number/);
});
