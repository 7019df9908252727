// This client's few lines against the contract's own functions.
import {
  isAcceptedBody,
  isValidKey,
  parseKeyHeader,
  parseKeyListHeader,
  serializeKeyHeader,
  serializeKeyListHeader,
} from '@semel/contract/v1/pure';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { acceptedIn, assertKey, keyHeaders } from './wire.ts';

const visible = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 255,
});
const sent = fc.oneof(
  visible.map((key) => ({ key })),
  fc.record({ key: visible, ageMs: fc.integer({ min: 1, max: 1e9 }).map((seconds) => seconds * 1000) }),
);

it('writes one key as the contract writes it', () => {
  fc.assert(
    fc.property(sent, (key) => {
      expect(keyHeaders([key])).toEqual({
        'Idempotency-Key': serializeKeyHeader(key),
        'Idempotency-Contract': '1',
      });
    }),
  );
});

it('writes the keys of a batch as the contract writes them, with the gaps', () => {
  fc.assert(
    fc.property(fc.array(fc.option(sent, { nil: undefined }), { minLength: 2, maxLength: 9 }), (keys) => {
      const { 'Idempotency-Keys': list = '' } = keyHeaders(keys);
      expect(list).toBe(serializeKeyListHeader(keys));
      expect(parseKeyListHeader(list)).toEqual({ ok: true, keys });
    }),
  );
});

it('writes the greatest age that a header can hold for one that is greater', () => {
  const { 'Idempotency-Key': header = '' } = keyHeaders([{ key: 'k', ageMs: Infinity }]);
  expect(header).toBe('"k";age=999999999999999');
  expect(parseKeyHeader(header)).toEqual({ ok: true, key: { key: 'k', ageMs: 999_999_999_999_999_000 } });
});

it('refuses the keys that the contract refuses', () => {
  const keys: unknown[] = [
    '',
    'a b',
    'a\n',
    'ä',
    'k',
    '"',
    '\\',
    '~',
    'x'.repeat(255),
    'x'.repeat(256),
    7,
    null,
  ];
  for (const key of [...keys, undefined, {}, ['k']]) {
    const check = () => assertKey(key as string);
    if (isValidKey(key as string)) expect(check).not.toThrow();
    else expect(check).toThrow(new TypeError('key_malformed: not 1 to 255 characters of visible ASCII'));
  }
});

it('takes the outputs for accepted that the contract takes for it', () => {
  const body = { $idempotency: 'accepted', operationId: 'op', pollAfterMs: 100 };
  const outputs: unknown[] = [
    body,
    { ...body, pollAfterMs: 0 },
    { ...body, pollAfterMs: -1 },
    { ...body, pollAfterMs: Number.NaN },
    { ...body, pollAfterMs: undefined },
    { ...body, operationId: '' },
    { ...body, operationId: undefined },
    { ...body, $idempotency: 'done' },
    { id: 'order-1' },
    undefined,
    null,
    'accepted',
    [],
  ];
  for (const output of outputs) {
    expect(acceptedIn(output)).toBe(isAcceptedBody(output) ? output : undefined);
  }
});
