import assert from 'node:assert/strict';
import type { ContractCase } from '../case.ts';
import { assertDone, assertMismatch, assertReplayed } from '../expect.ts';
import { MEMO_HERE, type Stage } from '../stage.ts';

const WIRE = 'WIRE: Identity';

/** JSON texts that mean something else, each pair with the reason. The last column: told apart on plain HTTP only. */
const DIFFERENT: readonly (readonly [string, string, string, 'http'?])[] = [
  ['a list in another order', '[1,2]', '[2,1]'],
  ['a number and its text', '1', '"1"'],
  ['null and false', 'null', 'false'],
  ['a member that is null and none', '{"a":null}', '{}'],
  ['NFC and NFD', '"\u00e9"', '"e\u0301"'],
  ['letters in another case', '{"a":1,"A":2}', '{"a":2,"A":1}'],
  ['lone surrogates', '"\\ud800"', '"\\ud801"'],
  ['a list and an object', '["a"]', '{"0":"a"}'],
  ['nesting', '[[1],2]', '[1,[2]]'],
  ['0 and -0', '0', '-0', 'http'],
  ['integers beyond 2^53', '9007199254740993', '9007199254740992', 'http'],
  ['members called __proto__', '{"__proto__":{"a":1}}', '{"__proto__":{"a":2}}', 'http'],
];

/** JSON texts that mean the same. */
const ALIKE: readonly (readonly [string, string, string])[] = [
  ['members in another order', '{"a":1,"b":{"c":2,"d":3}}', '{"b":{"d":3,"c":2},"a":1}'],
  ['integer-like members in another order', '{"10":"x","9":"y"}', '{"9":"y","10":"x"}'],
  ['white space', '{"a":[1,2]}', '{ "a" : [ 1,\n2 ] }'],
  ['escapes in texts', '"a/\u00e9"', '"\\u0061\\/\\u00E9"'],
];

async function compare(stage: Stage, one: string, other: string) {
  const payload = stage.payload({ memo: MEMO_HERE });
  const key = stage.key();
  const first = await stage.send(payload, { key, memoText: one });
  assertDone(first);
  const second = await stage.send(payload, { key, memoText: other });
  return { payload, first, second };
}

export const fingerprintCases: readonly ContractCase[] = [
  {
    id: 'S44',
    title: 'refuses a key that was used for another payload, and runs nothing',
    sources: ['S44', 'S34', 'S62', 'draft-07 §2.7', 'WIRE: key_reused'],
    needs: ['fingerprint'],
    async run(stage) {
      const [payload, other] = [stage.payload(), stage.payload({ amount: 200 })];
      const key = stage.key();
      const first = await stage.send(payload, { key });
      assertDone(first);
      assertMismatch(stage, await stage.send(other, { key }));
      assertMismatch(stage, await stage.send({ ...payload, amount: 101 }, { key }));
      await stage.assertEffects(payload, 1, [first]);
      if (stage.has('effects')) await stage.assertEffects(other, 0, []);
    },
  },
  {
    id: 'S61',
    title: 'runs the same payload again under another key',
    sources: ['S61', 'N12', 'draft-07 §2.2'],
    needs: [],
    async run(stage) {
      const payload = stage.payload();
      const answers = [
        await stage.send(payload, { key: stage.key() }),
        await stage.send(payload, { key: stage.key() }),
      ];
      for (const answer of answers) assertDone(answer);
      await stage.assertEffects(payload, 2, answers);
    },
  },
  ...ALIKE.map(
    ([what, one, other], index): ContractCase => ({
      id: index === 0 ? 'S46' : `N14-alike-${index}`,
      title: `takes payloads for the same that mean the same: ${what}`,
      sources: [...(index === 0 ? ['S46'] : ['N14', 'S52']), WIRE],
      needs: ['memo', 'canonical', 'replay'],
      async run(stage) {
        const { payload, first, second } = await compare(stage, one, other);
        assertReplayed(stage, first, second);
        await stage.assertEffects(payload, 1, [first, second]);
      },
    }),
  ),
  ...DIFFERENT.map(
    ([what, one, other, only], index): ContractCase => ({
      id: index === 0 ? 'S47' : `N14-differs-${index}`,
      title: `tells payloads apart: ${what}`,
      sources: [...(index === 0 ? ['S47', 'S49'] : ['N14', 'S52']), WIRE],
      needs: ['memo', 'fingerprint', ...(only ? [only] : [])],
      async run(stage) {
        const { payload, first, second } = await compare(stage, one, other);
        assertMismatch(stage, second);
        await stage.assertEffects(payload, 1, [first]);
      },
    }),
  ),
  {
    id: 'N14-duplicates',
    title: 'is not deceived by a member that is written twice',
    sources: ['N14', WIRE],
    needs: ['memo', 'fingerprint'],
    async run(stage) {
      const { payload, first, second } = await compare(stage, '{"a":1}', '{"a":1,"a":2}');
      assert.ok(second.status === 400 || second.status === (stage.target.mismatchStatus ?? 422));
      await stage.assertEffects(payload, 1, [first]);
    },
  },
  {
    id: 'N15',
    title: 'reads a body that comes in pieces like any other',
    sources: ['N15'],
    needs: ['socket', 'fingerprint', 'replay'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const first = await stage.send(payload, { key, chunked: true });
      assertDone(first, 'a request in pieces');
      assertReplayed(stage, first, await stage.send(payload, { key }));
      assertMismatch(stage, await stage.send({ ...payload, amount: 5 }, { key, chunked: true }));
      await stage.assertEffects(payload, 1, [first]);
    },
  },
  {
    id: 'N11-query',
    title: 'replays nothing to a request with another query string',
    sources: ['N11', 'S56', 'S62', WIRE],
    needs: ['http', 'fingerprint', 'query'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const first = await stage.send(payload, { key, query: 'to=alice' });
      assertDone(first);
      const other = await stage.send(payload, { key, query: 'to=mallory' });
      assertMismatch(stage, other);
      await stage.assertEffects(payload, 1, [first]);
    },
  },
  {
    id: 'S55',
    title: 'replays nothing to another route or procedure with the same key and payload',
    sources: ['S55', 'S50', 'S57', 'S62', 'N11', WIRE],
    needs: ['otherPath'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const first = await stage.send(payload, { key });
      const other = await stage.send(payload, { key, path: stage.target.otherPath as string });
      assertDone(first);
      assert.notEqual(other.headers.get('idempotency-replayed'), 'true', 'it is no replay');
      if (other.status < 400) await stage.assertEffects(payload, 2, [first, other]);
      else assertMismatch(stage, other);
    },
  },
  {
    id: 'N29',
    title: 'tells nothing of the first payload or its answer to who sends another',
    sources: ['N29', 'WIRE: Answers'],
    needs: ['fingerprint'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const first = await stage.send(payload, { key });
      assertDone(first);
      const other = await stage.send(stage.payload({ amount: 5 }), { key });
      assert.ok(!other.text.includes(payload.reference), 'the refusal does not name the first reference');
      const id = stage.execution(first);
      if (typeof id === 'string') assert.ok(!other.text.includes(id), 'nor the first result');
    },
  },
  {
    id: 'S51',
    title: 'compares bodies of other types by their bytes and their type',
    sources: ['S51', 'S49', WIRE],
    needs: ['http', 'rawBodies', 'fingerprint'],
    async run(stage) {
      const bytes = (text: string, type: string | undefined = 'application/octet-stream') => ({
        raw: { type, body: Buffer.from(text, 'latin1') },
      });
      const payload = stage.payload();
      const key = stage.key();
      const first = await stage.send(payload, { key, ...bytes('\u00ff\u0000a') });
      assertDone(first);
      assertReplayed(stage, first, await stage.send(payload, { key, ...bytes('\u00ff\u0000a') }));
      for (const [text, type] of [
        ['\u00fe\u0000a'],
        ['\u00ff\u0000'],
        [''],
        ['\u00ff\u0000a', 'text/plain'],
      ] as const) {
        assertMismatch(stage, await stage.send(payload, { key, ...bytes(text, type) }));
      }
    },
  },
  {
    id: 'S49',
    title: 'takes an empty body for a payload of its own',
    sources: ['S49', 'S51', 'N12'],
    needs: ['http', 'rawBodies', 'fingerprint'],
    async run(stage) {
      const empty = { raw: { type: undefined, body: Buffer.alloc(0) } };
      const payload = stage.payload();
      const [one, other] = [stage.key(), stage.key()];
      const first = await stage.send(payload, { key: one, ...empty });
      assertDone(first);
      assertReplayed(stage, first, await stage.send(payload, { key: one, ...empty }));
      const second = await stage.send(payload, { key: other, ...empty });
      assertDone(second, 'another key with an empty body');
      assert.notEqual(second.headers.get('idempotency-replayed'), 'true', 'it is no replay');
      assertMismatch(stage, await stage.send(payload, { key: one }));
    },
  },
  {
    id: 'S63',
    title: 'compares a form with a file by its parts, not by its boundary',
    sources: ['S63', WIRE],
    needs: ['http', 'rawBodies', 'fingerprint', 'replay'],
    async run(stage) {
      const form = (boundary: string, file: string) => ({
        raw: { type: `multipart/form-data; boundary=${boundary}`, body: multipart(boundary, file) },
      });
      const payload = stage.payload();
      const key = stage.key();
      const first = await stage.send(payload, { key, ...form('one', 'content') });
      assertDone(first);
      assertReplayed(stage, first, await stage.send(payload, { key, ...form('other', 'content') }));
      assertMismatch(stage, await stage.send(payload, { key, ...form('one', 'changed') }));
    },
  },
];

function multipart(boundary: string, file: string): Buffer {
  const part = (disposition: string, text: string) =>
    `--${boundary}\r\ncontent-disposition: form-data; ${disposition}\r\n\r\n${text}\r\n`;
  return Buffer.from(
    `${part('name="to"', 'alice')}${part('name="file"; filename="a.bin"', file)}--${boundary}--\r\n`,
  );
}
