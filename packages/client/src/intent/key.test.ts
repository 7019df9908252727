import { expect, it } from 'vitest';
import { testClock } from '../test-rig/clock.ts';
import { createActions, newKey } from './key.ts';

it('makes keys of 144 random bits that any carrier takes', () => {
  const keys = new Set(Array.from({ length: 1000 }, newKey));
  expect(keys.size).toBe(1000);
  for (const key of keys) expect(key).toMatch(/^[A-Za-z0-9_-]{24}$/);
});

it('gives the same input reference the same key until the action ends', () => {
  const actions = createActions(testClock());
  const input = {};
  const first = actions.of('pay', input, undefined);
  expect(actions.of('pay', input, undefined)).toBe(first);
  actions.end(first);
  expect(actions.of('pay', input, undefined).key).not.toBe(first.key);
});

it('gives equal inputs that are two objects two keys, and primitives a new one each time', () => {
  const actions = createActions(testClock());
  expect(actions.of('pay', { a: 1 }, undefined).key).not.toBe(actions.of('pay', { a: 1 }, undefined).key);
  expect(actions.of('pay', 'a', undefined).key).not.toBe(actions.of('pay', 'a', undefined).key);
});

it('keeps procedures apart that are called with the same object', () => {
  const actions = createActions(testClock());
  const input = {};
  expect(actions.of('pay', input, undefined).key).not.toBe(actions.of('refund', input, undefined).key);
});

it('takes an explicit key before all else', () => {
  const actions = createActions(testClock());
  const input = {};
  actions.of('pay', input, undefined);
  expect(actions.of('pay', input, 'mine')).toMatchObject({ key: 'mine', attempts: 0 });
  expect(actions.of('pay', input, { key: 'old', ageMs: 5000 })).toMatchObject({ key: 'old', attempts: 1 });
});

it.each(['', 'a b', 'ä', 'x'.repeat(256)])('refuses the key %j', (key) => {
  expect(() => createActions(testClock()).of('pay', {}, key)).toThrow(/^key_malformed/);
});
