import type { OperationView } from '@semel/server';
import { expect, test } from 'vitest';
import { type Action, refusalText } from './refusals.ts';

const said = (action: Action, mode: OperationView['mode']): string => {
  const operation = { operationId: 'op_1', state: 'suspended', mode, attempt: 1 } as OperationView;
  return refusalText(action, { kind: 'not_now', operation }, undefined);
};

test.each([
  ['redrive', 'queued'],
  ['redrive', 'leased'],
  ['release', 'leased'],
  ['resolve', 'queued'],
  ['resolve', 'leased'],
] as const)(
  'a %s of a suspended %s operation is refused only while somebody else decides',
  (action, mode) => {
    expect(said(action, mode)).toContain('Somebody is deciding about it right now: look again.');
  },
);

test('a release of a queued operation is refused with the command that is meant', () => {
  expect(said('release', 'queued')).toContain('It is queued: semel operations redrive op_1 --reason');
});
