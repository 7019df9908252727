import { expect, it, vi } from 'vitest';
import { systemClock } from '../clock.ts';
import { settingsFrom } from '../options.ts';
import { createActions, createKeys } from './key.ts';

const actionsOf = () => {
  const { of, end } = createActions(settingsFrom({}), () => {}, false);
  return {
    end,
    of: (path: string, input: unknown, explicit?: Parameters<typeof of>[2]) =>
      of(path, input, explicit, undefined, input),
  };
};

it('makes keys of 144 random bits that any carrier takes', () => {
  const keys = new Set(Array.from({ length: 1000 }, createKeys(systemClock)));
  expect(keys.size).toBe(1000);
  for (const key of keys) expect(key).toMatch(/^[A-Za-z0-9_-]{24}$/);
});

it('keeps random bytes for no longer than a second: a copy of this process draws its own', () => {
  const draws = vi.spyOn(crypto, 'getRandomValues');
  let now = 5_000;
  const newKey = createKeys({ ...systemClock, now: () => now });
  for (let i = 0; i < 16; i++) newKey();
  expect(draws).toHaveBeenCalledTimes(1);
  newKey();
  now += 1_001;
  newKey();
  expect(draws).toHaveBeenCalledTimes(3);
  draws.mockRestore();
});

it('gives the same input reference the same key until the action ends', () => {
  const actions = actionsOf();
  const input = {};
  const first = actions.of('pay', input, undefined);
  expect(actions.of('pay', input, undefined)).toBe(first);
  actions.end(first);
  expect(actions.of('pay', input, undefined).key).not.toBe(first.key);
});

it('gives equal inputs that are two objects two keys, and primitives a new one each time', () => {
  const actions = actionsOf();
  expect(actions.of('pay', { a: 1 }, undefined).key).not.toBe(actions.of('pay', { a: 1 }, undefined).key);
  expect(actions.of('pay', 'a', undefined).key).not.toBe(actions.of('pay', 'a', undefined).key);
});

it('keeps procedures apart that are called with the same object', () => {
  const actions = actionsOf();
  const input = {};
  expect(actions.of('pay', input, undefined).key).not.toBe(actions.of('refund', input, undefined).key);
});

it('takes an explicit key before all else', () => {
  const actions = actionsOf();
  const input = {};
  actions.of('pay', input, undefined);
  expect(actions.of('pay', input, 'mine')).toMatchObject({ key: 'mine', attempts: 0 });
  expect(actions.of('pay', input, { key: 'old', ageMs: 5000 })).toMatchObject({ key: 'old', attempts: 1 });
});

it.each(['', 'a b', 'ä', 'x'.repeat(256)])('refuses the key %j', (key) => {
  expect(() => actionsOf().of('pay', {}, key)).toThrow(/^key_malformed/);
});
