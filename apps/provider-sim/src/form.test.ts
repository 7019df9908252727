import { expect, test } from 'vitest';
import { canonicalFromParams, objectFromParams, paramsFromForm } from './form.ts';

test('reads nested names', () => {
  const params = paramsFromForm('amount=5&metadata[reference]=a%26b&metadata%5Bx%5D=1&metadatax[y]=2');
  expect(params.get('amount')).toBe('5');
  expect(objectFromParams(params, 'metadata')).toEqual({ reference: 'a&b', x: '1' });
});

test('the canonical form ignores order and nothing else', () => {
  const canonical = (form: string) => canonicalFromParams(paramsFromForm(form));
  expect(canonical('a=1&b=2')).toBe(canonical('b=2&a=1'));
  expect(canonical('a=1&b=2')).not.toBe(canonical('a=1%26b%3D2'));
  expect(canonical('a=1')).not.toBe(canonical('a=1&b='));
});
