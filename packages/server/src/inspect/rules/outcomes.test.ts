import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { ATOMIC, codes, findings, found, idempotent, LEASED, t } from '../inspect.fixture.ts';

// Handlers are looked at and never run: what they name needn't exist.
// biome-ignore-start lint/suspicious/noExplicitAny: see above
type Any = any;
declare const charge: any;
// biome-ignore-end lint/suspicious/noExplicitAny: see above

test('an async generator is a certain error', async () => {
  const it = idempotent(t.procedure)
    .meta({ idempotency: ATOMIC })
    .mutation(async function* () {
      yield 1;
    });
  expect(await findings(t.router({ it }))).toMatchObject([{ code: 'unstorable_output', severity: 'error' }]);
});

test.each([
  ['a stream', () => new ReadableStream(), 'a ReadableStream'],
  ['a response', async () => new Response('x'), 'a Response'],
  ['a response of JSON', async () => Response.json({}), 'a Response'],
  ['a readable', () => Readable.from(['x']), 'a Readable'],
  ['a function', () => () => 1, 'a function'],
  [
    'a name for it',
    () => {
      const body = new Blob(['x']);
      return body;
    },
    undefined,
  ],
  ['the reserved member', () => ({ $idempotency: 'mine' }), 'the reserved member $idempotency'],
])('an output that cannot be stored looks like it: %s', async (_, handler, what) => {
  expect(await found(ATOMIC, handler)).toEqual(
    what === undefined ? [] : [`unstorable_output: looks like it returns ${what}`],
  );
});

test.each([
  [
    'a stream inside',
    async ({ ctx }: Any) => {
      const response = new Response('x');
      const { tx } = ctx.operation;
      await tx.query('SELECT 1');
      return { text: await response.text() };
    },
  ],
  ['what a callback returns', (): Any => [1].map(() => new Response('x')).length],
  ['a date and a map', () => ({ at: new Date(0), map: new Map() })],
])('an output is not reported for %s', async (_, handler) => {
  expect(await found(ATOMIC, handler)).toEqual([]);
});

test('a settled stream is found', async () => {
  const handler = async ({ ctx }: Any) => ctx.operation.settle(async () => new ReadableStream());
  expect(await found(LEASED, handler)).toEqual(['unstorable_output: looks like it returns a ReadableStream']);
});

test('a step that returns the response of fetch is found, one that reads it is not', async () => {
  const raw = async ({ ctx }: Any) => ({
    ok: (
      await ctx.operation.step('charge', (key: string) =>
        fetch('http://x', { method: 'POST', headers: { 'idempotency-key': key } }),
      )
    ).ok,
  });
  expect(await found(LEASED, raw)).toEqual([
    "unstorable_step: looks like step('charge') returns the Response of fetch",
  ]);
  const read = async ({ ctx }: Any) =>
    ctx.operation.step('charge', async (key: string) => {
      const response = await fetch('http://x', { method: 'POST', headers: { 'idempotency-key': key } });
      return (await response.json()).id;
    });
  expect(await found(LEASED, read)).toEqual([]);
});

const plain = idempotent(t.procedure).meta({ idempotency: ATOMIC });
test.each([
  ['returns something', plain.mutation(() => ({ id: 1 })), ['no_output_parser']],
  ['returns what it calls', plain.mutation(() => charge()), ['no_output_parser']],
  ['returns nothing', plain.mutation(() => {}), []],
  ['returns undefined', plain.mutation(async () => undefined), []],
  ['has a parser', plain.output((value: unknown) => value).mutation(() => ({ id: 1 })), []],
  [
    'has a parser before the policy',
    idempotent(t.procedure.output((value: unknown) => value))
      .meta({ idempotency: ATOMIC })
      .mutation(() => 1),
    [],
  ],
])('a mutation without an output parser gets advice: one that %s', async (_, it, expected) => {
  expect(await codes(t.router({ it }))).toEqual(expected);
});
