import assert from 'node:assert/strict';
import { member } from '../carrier.ts';
import type { ContractCase } from '../case.ts';
import { assertDone, assertMismatch } from '../expect.ts';
import type { Stage } from '../stage.ts';
import type { Answer } from '../transport.ts';

const DRAFT = 'draft-07 §2.7';

/** A problem document that says what it has to, or a link to where it is described. */
function assertDocument(answer: Answer): void {
  const link = answer.headers.get('link') ?? '';
  if (/rel="?describedby/.test(link)) return;
  const type = answer.headers.get('content-type') ?? '';
  assert.match(type, /^application\/problem\+json\b/, `a refusal ${answer.status} is of type ${type}`);
  for (const name of ['type', 'title']) {
    const value = member(answer.json, name);
    assert.ok(typeof value === 'string' && value.length > 0, `it has a ${name}`);
  }
  assert.equal(member(answer.json, 'status'), answer.status, 'it repeats the status');
}

/** One refusal of each kind that can be had from outside. */
async function refusals(stage: Stage): Promise<Record<string, Answer>> {
  const key = stage.key();
  assertDone(await stage.send(stage.payload(), { key }));
  const found: Record<string, Answer> = {};
  if (stage.has('requiredKey')) found.key_missing = await stage.send(stage.payload());
  if (stage.has('structuredKeys'))
    found.key_malformed = await stage.send(stage.payload(), { keyHeader: '"a' });
  if (stage.has('fingerprint')) found.key_reused = await stage.send(stage.payload({ amount: 3 }), { key });
  return found;
}

const STATUS: Readonly<Record<string, number>> = { key_missing: 400, key_malformed: 400 };

export const problemCases: readonly ContractCase[] = [
  {
    id: 'S84',
    title: 'describes each refusal in a problem document, or links to its description',
    sources: ['S84', DRAFT, 'RFC 9457'],
    needs: ['http', 'problemDocuments'],
    async run(stage) {
      for (const answer of Object.values(await refusals(stage))) assertDocument(answer);
    },
  },
  {
    id: 'S85',
    title: 'puts the code of the contract on each refusal, with the status that belongs to it',
    sources: ['S85', 'S87', 'WIRE: Answers'],
    needs: ['wireProblems'],
    async run(stage) {
      for (const [code, answer] of Object.entries(await refusals(stage))) {
        const problem = stage.problem(answer);
        assert.equal(problem?.code, code);
        assert.equal(answer.status, STATUS[code] ?? stage.target.mismatchStatus ?? 422);
        assert.equal(problem?.contract, 1);
        assert.equal(problem?.retryable, false, `${code} is not retryable`);
        assert.equal(answer.headers.get('retry-after'), null, `${code} has no Retry-After`);
      }
    },
  },
  {
    id: 'S86',
    title: 'answers who asks for JSON with JSON, also in a refusal',
    sources: ['S86'],
    needs: ['http', 'problemDocuments', 'requiredKey'],
    async run(stage) {
      for (const accept of ['application/json', 'application/problem+json', '*/*', 'text/html, */*;q=0.1']) {
        const answer = await stage.send(stage.payload(), { headers: { accept } });
        const asked = `a request without a key, with Accept: ${accept}`;
        assert.ok(answer.status === 400, `${asked}, is answered with ${answer.status} instead of 400`);
        if (accept.startsWith('text')) continue;
        assert.equal(member(answer.json, 'status'), 400, `the member status of the answer to ${asked}`);
      }
    },
  },
  {
    id: 'W21',
    title: 'refuses without an unhandled error, whatever comes as a body',
    sources: ['WIRE: Failure classes 0'],
    needs: ['failure:invalid'],
    async run(stage) {
      for (const body of ['{', '[]', '"x"', 'null', '\u0000', '{"a":'.repeat(50)]) {
        const raw = { type: 'application/json', body: Buffer.from(body) };
        const { status } = await stage.send(stage.payload(), { key: stage.key(), raw });
        assert.ok(status >= 400 && status < 500, `the body ${body.slice(0, 20)} is answered with ${status}`);
      }
    },
  },
  {
    id: 'W22',
    title: 'refuses a broken body without taking its key',
    sources: ['WIRE: Failure classes 0', 'S65'],
    needs: ['failure:invalid'],
    async run(stage) {
      const key = stage.key();
      const payload = stage.payload();
      await stage.send(payload, { key, raw: { type: 'application/json', body: Buffer.from('{') } });
      const first = await stage.send(payload, { key });
      assertDone(first, 'the whole body');
      await stage.assertEffects(payload, 1, [first]);
      if (stage.has('fingerprint')) assertMismatch(stage, await stage.send(stage.payload(), { key }));
    },
  },
];
