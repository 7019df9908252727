import assert from 'node:assert/strict';
import type { ContractCase } from '../case.ts';
import { assertDone, assertRefused, assertSame } from '../expect.ts';
import type { Stage } from '../stage.ts';

const DRAFT = 'draft-07 §2.1';
const WIRE = 'WIRE: Request';

/** Nothing of the payload ran: the same payload under a good key runs once, and only then. */
async function assertNothingRan(stage: Stage, payload = stage.payload()): Promise<void> {
  if (stage.has('effects')) await stage.assertEffects(payload, 0, []);
}

async function refusesHeader(stage: Stage, keyHeader: string | readonly string[]): Promise<void> {
  const payload = stage.payload();
  const answer = await stage.send(payload, { keyHeader });
  assertRefused(stage, answer, 400, 'key_malformed');
  await assertNothingRan(stage, payload);
}

async function isOneKey(stage: Stage, one: string, other: string): Promise<void> {
  const payload = stage.payload();
  const first = await stage.send(payload, { keyHeader: one });
  const second = await stage.send(payload, { keyHeader: other });
  assertDone(first, `a request with the key ${one}`);
  assertDone(second, `a request with the key ${other}`);
  await stage.assertEffects(payload, 1, [first, second]);
}

/** Header values that are no key, each with what is wrong with it. `K` is replaced by a fresh key. */
const MALFORMED: readonly (readonly [string, string])[] = [
  ['an unterminated string', '"K'],
  ['a lone quote at the end', 'K"'],
  ['a backslash that escapes nothing', '"K\\n"'],
  ['a boolean', '?1'],
  ['a byte sequence', ':SyBLIEs=:'],
  ['an inner list', '("K")'],
  ['two members', '"K", "other"'],
  ['something behind the key', '"K" "other"'],
  ['a bare value with a comma', 'K,other'],
  ['a bare value with a semicolon', 'K;other'],
  ['a bare value with a backslash', 'K\\other'],
  ['a space inside the key', '"K other"'],
  ['an empty string', '""'],
];

export const keySyntaxCases: readonly ContractCase[] = [
  {
    id: 'S12',
    title: 'takes a UUID as a key',
    sources: ['S12', 'draft-07 §2.2'],
    needs: [],
    async run(stage) {
      const payload = stage.payload();
      const answer = await stage.send(payload, { key: crypto.randomUUID() });
      assertDone(answer);
      await stage.assertEffects(payload, 1, [answer]);
    },
  },
  {
    id: 'S5',
    title: 'takes a key of the greatest length',
    sources: ['S5', 'S6', WIRE],
    needs: ['replay'],
    async run(stage) {
      const payload = stage.payload();
      const key = `${stage.key()}-`.padEnd(stage.target.maxKeyLength ?? 255, 'x');
      const first = await stage.send(payload, { key });
      assertDone(first);
      await stage.assertEffects(payload, 1, [first, await stage.send(payload, { key })]);
    },
  },
  {
    id: 'S4',
    title: 'refuses a key that is one character too long, and runs nothing',
    sources: ['S4', 'S6', WIRE],
    needs: ['keyLimits'],
    async run(stage) {
      const payload = stage.payload();
      const key = `${stage.key()}-`.padEnd((stage.target.maxKeyLength ?? 255) + 1, 'x');
      assertRefused(stage, await stage.send(payload, { keyHeader: `"${key}"` }), 400, 'key_malformed');
      await assertNothingRan(stage, payload);
    },
  },
  {
    id: 'S7',
    title: 'refuses a key that is too short, and runs nothing',
    sources: ['S7', WIRE],
    needs: ['keyLimits'],
    async run(stage) {
      const payload = stage.payload();
      const { minKeyLength = 1 } = stage.target;
      const key = 'x'.repeat(minKeyLength - 1);
      assertRefused(stage, await stage.send(payload, { keyHeader: `"${key}"` }), 400, [
        'key_malformed',
        'key_missing',
      ]);
      await assertNothingRan(stage, payload);
    },
  },
  {
    id: 'S3',
    title: 'refuses a blank key, and runs nothing',
    sources: ['S3', WIRE],
    needs: ['requiredKey'],
    async run(stage) {
      for (const keyHeader of ['', ' ']) {
        const payload = stage.payload();
        assertRefused(stage, await stage.send(payload, { keyHeader }), 400, ['key_malformed', 'key_missing']);
        await assertNothingRan(stage, payload);
      }
    },
  },
  {
    id: 'S8',
    title: 'refuses two key lines, and runs nothing',
    sources: ['S8', 'N13', WIRE],
    needs: ['socket', 'structuredKeys'],
    async run(stage) {
      await refusesHeader(stage, [`"${stage.key()}"`, `"${stage.key()}"`]);
      const key = stage.key();
      await refusesHeader(stage, [`"${key}"`, `"${key}"`]);
      await refusesHeader(stage, [key, key]);
    },
  },
  {
    id: 'S11',
    title: 'keeps keys apart that look alike, whatever characters they have',
    sources: ['S11', 'S58'],
    needs: ['structuredKeys'],
    async run(stage) {
      const stem = stage.key();
      const keys = ['/a', '%2Fa', ':a', '::a', "'a", '{a}', '$a', '*a', '<a>', '`a', '__proto__', '%00', '%'];
      for (const end of keys) {
        const payload = stage.payload();
        const key = `${stem}${end}`;
        const answers = [await stage.send(payload, { key }), await stage.send(payload, { key })];
        for (const answer of answers) assertDone(answer, `a request with a key that ends in ${end}`);
        await stage.assertEffects(payload, 1, answers);
      }
    },
  },
  {
    id: 'N13',
    title: 'takes "k" and k for one key',
    sources: ['N13', DRAFT, WIRE],
    needs: ['structuredKeys'],
    async run(stage) {
      const key = stage.key();
      await isOneKey(stage, `"${key}"`, key);
      const other = stage.key();
      await isOneKey(stage, other, `"${other}"`);
    },
  },
  {
    id: 'N13-comma',
    title: 'takes a quoted key with a comma for one key',
    sources: ['N13', DRAFT],
    needs: ['structuredKeys'],
    async run(stage) {
      const key = stage.key();
      await isOneKey(stage, `"${key},b"`, `"${key},b"`);
      const payload = stage.payload();
      assertDone(await stage.send(payload, { keyHeader: `"${key}"` }), 'the part before the comma');
    },
  },
  {
    id: 'N13-escapes',
    title: 'reads escaped quotes and backslashes in a key',
    sources: ['N13', 'RFC 8941 §3.3.3'],
    needs: ['structuredKeys'],
    run: async (stage) => {
      const key = stage.key();
      await isOneKey(stage, `"${key}\\"q\\\\"`, `"${key}\\"q\\\\"`);
    },
  },
  {
    id: 'N13-parameters',
    title: 'ignores parameters of a key that it does not know',
    sources: ['N13', 'RFC 8941 §3.1.2', WIRE],
    needs: ['structuredKeys'],
    run: async (stage) => {
      const key = stage.key();
      await isOneKey(stage, `"${key}";v=1;note="x, y"`, `"${key}"`);
    },
  },
  {
    id: 'N13-case',
    title: 'tells keys apart by the case of their letters',
    sources: ['N13', WIRE],
    needs: [],
    async run(stage) {
      const [one, other] = [stage.payload(), stage.payload()];
      const key = stage.key();
      const first = await stage.send(one, { key: `${key}a` });
      const second = await stage.send(other, { key: `${key}A` });
      assertDone(second, 'a key that differs in case');
      await stage.assertEffects(one, 1, [first]);
      await stage.assertEffects(other, 1, [second]);
    },
  },
  ...MALFORMED.map(
    ([what, header], index): ContractCase => ({
      id: `N13-malformed-${index + 1}`,
      title: `refuses as a key, and runs nothing: ${what}`,
      sources: ['N13', 'S8', DRAFT, 'RFC 8941', WIRE],
      needs: ['structuredKeys'],
      run: (stage) => refusesHeader(stage, header.replace('K', stage.key())),
    }),
  ),
  {
    id: 'N13-non-ascii',
    title: 'refuses a key with characters outside of ASCII, and runs nothing',
    sources: ['N13', 'S6', WIRE],
    needs: ['structuredKeys'],
    run: async (stage) => {
      await refusesHeader(stage, `"${stage.key()}\u00e9"`);
      await refusesHeader(stage, `${stage.key()}\u00e9`);
    },
  },
  {
    id: 'W1',
    title: 'refuses a malformed key where a key is optional, and runs nothing',
    sources: ['WIRE: Request', 'N13', 'RFC 9651'],
    needs: ['optionalPath', 'structuredKeys'],
    async run(stage) {
      for (const keyHeader of ['"unterminated', '', 'a,b']) {
        const payload = stage.payload();
        const path = stage.target.optionalPath as string;
        assertRefused(stage, await stage.send(payload, { keyHeader, path }), 400, 'key_malformed');
        await assertNothingRan(stage, payload);
      }
    },
  },
  {
    id: 'W2',
    title: 'refuses a key in two carriers at once, and runs nothing',
    sources: [WIRE],
    needs: ['structuredKeys', 'wireProblems'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const answer = await stage.send(payload, { key, headers: { 'idempotency-keys': `"${key}"` } });
      assertRefused(stage, answer, 400, 'key_malformed');
      await assertNothingRan(stage, payload);
    },
  },
  {
    id: 'W3',
    title: 'a refused key stays free: the same request with the key put right runs',
    sources: ['WIRE: Failure classes 0'],
    needs: ['structuredKeys'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const refused = await stage.send(payload, { keyHeader: `"${key}` });
      assert.equal(refused.status, 400, `a malformed key is answered with ${refused.status}`);
      const [first, again] = [await stage.send(payload, { key }), await stage.send(payload, { key })];
      assertDone(first);
      assertSame(first, again);
      await stage.assertEffects(payload, 1, [first, again]);
    },
  },
];
