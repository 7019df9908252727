import { describe, expect, it } from 'vitest';
import { hasReservedMember, isAcceptedBody } from './accepted.ts';
import { unwrapInput, wrapInput } from './envelope.ts';
import {
  CORS_ALLOW_HEADERS,
  CORS_EXPOSE_HEADERS,
  parseContractHeader,
  parseReplayed,
  retryAfterSeconds,
  serializeReplayed,
} from './headers.ts';

describe('the input envelope', () => {
  it('is unwrapped to what was wrapped, through JSON as well', () => {
    const wrapped = wrapInput({ key: 'k', ageMs: 1500 }, { a: [1] });
    expect(wrapped).toEqual({ $idempotency: { key: 'k', ageMs: 1500 }, input: { a: [1] } });
    expect(unwrapInput(JSON.parse(JSON.stringify(wrapped)))).toStrictEqual({
      enveloped: true,
      ok: true,
      key: { key: 'k', ageMs: 1500 },
      input: { a: [1] },
    });
  });

  it('carries an input of nothing', () => {
    const wrapped = wrapInput({ key: 'k' }, undefined);
    expect(unwrapInput(JSON.parse(JSON.stringify(wrapped)))).toStrictEqual({
      enveloped: true,
      ok: true,
      key: { key: 'k' },
      input: undefined,
    });
  });

  it.each([undefined, null, 1, 'x', {}, [], { input: 1 }, [{ $idempotency: { key: 'k' } }]])(
    '%j is no envelope',
    (input) => {
      expect(unwrapInput(input)).toEqual({ enveloped: false });
    },
  );

  it.each([
    { $idempotency: null, input: 1 },
    { $idempotency: 'k', input: 1 },
    { $idempotency: ['k'], input: 1 },
    { $idempotency: {}, input: 1 },
    { $idempotency: { key: '' }, input: 1 },
    { $idempotency: { key: 7 }, input: 1 },
    { $idempotency: { key: 'a b' }, input: 1 },
    { $idempotency: { key: 'x'.repeat(256) }, input: 1 },
    { $idempotency: { key: 'k', ageMs: -1 }, input: 1 },
    { $idempotency: { key: 'k', ageMs: '5' }, input: 1 },
    { $idempotency: { key: 'k', ageMs: null }, input: 1 },
    { $idempotency: { key: 'k' }, input: 1, amount: 2 },
  ])('%j is a malformed one', (input) => {
    expect(unwrapInput(input)).toEqual({ enveloped: true, ok: false, reason: expect.any(String) });
  });

  it('refuses to carry what is no key', () => {
    expect(() => wrapInput({ key: '' }, 1)).toThrow(TypeError);
  });
});

describe('headers', () => {
  it('Idempotency-Contract: absent means 1, and only 1 is known', () => {
    expect([undefined, null, '1', ' 1 '].map(parseContractHeader)).toEqual([1, 1, 1, 1]);
    expect(['', '2', '1.0', '"1"', '01', '1, 1'].map(parseContractHeader)).toEqual(Array(6).fill(undefined));
  });

  it('Retry-After is whole seconds, rounded up, never negative', () => {
    expect([0, 1, 999, 1000, 1001, 30_000, -5, Number.NaN].map(retryAfterSeconds)).toEqual([
      0, 1, 1, 1, 2, 30, 0, 0,
    ]);
  });

  it('Idempotency-Replayed is true for one call and a list of indexes for a batch', () => {
    expect(serializeReplayed([0], 1)).toBe('true');
    expect(serializeReplayed([], 1)).toBeUndefined();
    expect(serializeReplayed([2, 0, 2, 10], 11)).toBe('0, 2, 10');
    expect(serializeReplayed([], 3)).toBeUndefined();
    expect(parseReplayed('true')).toEqual([0]);
    expect(parseReplayed('0, 2', 3)).toEqual([0, 2]);
    expect(parseReplayed('0,2', 3)).toEqual([0, 2]);
  });

  it('Idempotency-Replayed that can not be right counts as absent', () => {
    expect(['', 'false', '?1', '0', 'x'].map((value) => parseReplayed(value))).toEqual(Array(5).fill([]));
    expect(['true', '3', '0, 3', '-1', '1.5', '0 1'].map((value) => parseReplayed(value, 3))).toEqual(
      Array(6).fill([]),
    );
    expect([parseReplayed(undefined), parseReplayed(null, 2)]).toEqual([[], []]);
  });

  it('are allowed and exposed to browsers', () => {
    expect(CORS_ALLOW_HEADERS).toEqual(['Idempotency-Key', 'Idempotency-Keys', 'Idempotency-Contract']);
    expect(CORS_EXPOSE_HEADERS).toEqual([
      'Idempotency-Replayed',
      'Idempotency-Operation',
      'Retry-After',
      'Location',
    ]);
  });
});

describe('the accepted body', () => {
  const body = { $idempotency: 'accepted', operationId: 'op_1', pollAfterMs: 500 };
  it('is recognised, with members of a later version too', () => {
    expect(isAcceptedBody(body)).toBe(true);
    expect(isAcceptedBody({ ...body, statusUrl: '/x' })).toBe(true);
  });
  it.each([
    undefined,
    'accepted',
    { ...body, $idempotency: 'done' },
    { ...body, operationId: '' },
    { ...body, pollAfterMs: -1 },
    { ...body, pollAfterMs: '5' },
    [body],
  ])('%j is none', (value) => {
    expect(isAcceptedBody(value)).toBe(false);
  });
  it('takes a member name that no output may have', () => {
    expect(hasReservedMember({ $idempotency: undefined })).toBe(true);
    expect(hasReservedMember(Object.create({ $idempotency: 1 }))).toBe(true);
    expect([{ a: { $idempotency: 1 } }, null, 'x$idempotency', []].map(hasReservedMember)).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});
