import { TRPCError } from '@trpc/server';
import { expect, test } from 'vitest';
import { lastErrorFrom, lastErrorIn } from './last-error.ts';

class Declined extends Error {
  override readonly name = 'Declined';
}

const unreachable = Object.assign(new AggregateError([], ''), { code: 'ECONNREFUSED' });
const timedOut = new Error('connect ETIMEDOUT 10.0.0.7:443');

test.each([
  ['a plain error', new Error('the bank is away'), 'the bank is away'],
  ['one with a name', new Declined('no funds'), 'Declined: no funds'],
  ['what tRPC makes of a plain one', wrappedByTrpc(new Error('the bank is away')), 'the bank is away'],
  ['what tRPC makes of one with a name', wrappedByTrpc(new Declined('no funds')), 'Declined: no funds'],
  ["tRPC's own", new TRPCError({ code: 'BAD_GATEWAY', message: 'the bank' }), 'TRPCError: the bank'],
  ['one with a cause', new Error('fetch failed', { cause: timedOut }), `fetch failed: ${timedOut.message}`],
  [
    'a cause that has a code alone',
    new Error('fetch failed', { cause: unreachable }),
    'fetch failed: ECONNREFUSED',
  ],
  [
    'a cause that was said already',
    new Error('x: disk full', { cause: new Error('disk full') }),
    'x: disk full',
  ],
  ['a cause that is no error', new Error('no', { cause: 'maintenance' }), 'no: maintenance'],
  ['no error at all', 'maintenance', 'maintenance'],
  ['nothing', undefined, 'undefined'],
  ['an empty one', new Error(''), 'Error'],
  ['what has no text', { toString: () => Symbol('x') }, 'What was thrown has no text'],
])('%s is a line for people', (_, error, text) => {
  expect(lastErrorIn(JSON.parse(lastErrorFrom(error)))).toEqual({ text });
});

test('a chain without an end has one, and a long text as well', () => {
  const round = new Error('round');
  round.cause = round;
  expect(JSON.parse(lastErrorFrom(round))).toEqual({ text: 'round' });
  const long = new Error('x'.repeat(5000));
  expect(JSON.parse(lastErrorFrom(long)).text).toHaveLength(2000);
});

test('the step that it came from stands beside it', () => {
  const kept = JSON.parse(lastErrorFrom(new Error('away'), 'transfer'));
  expect(lastErrorIn(kept)).toEqual({ text: 'away', step: 'transfer' });
});

test.each([undefined, null, 7, 'away', {}, { text: 7 }])('%j is no last error', (kept) => {
  expect(lastErrorIn(kept)).toBeUndefined();
});

function wrappedByTrpc(cause: Error): TRPCError {
  return new TRPCError({ code: 'INTERNAL_SERVER_ERROR', cause });
}
