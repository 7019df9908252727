import assert from 'node:assert/strict';
import type { ContractCase } from '../case.ts';
import { assertDone, assertReplayed, assertSame } from '../expect.ts';
import type { AnswerKind } from '../payload.ts';
import type { Stage } from '../stage.ts';
import type { Answer } from '../transport.ts';

const DRAFT = 'draft-07 §2.6';

/** Sends a payload twice under one key: one effect, one answer. */
async function twice(
  stage: Stage,
  answer?: AnswerKind,
): Promise<{ readonly first: Answer; readonly again: Answer }> {
  const payload = stage.payload(answer === undefined ? {} : { answer });
  const key = stage.key();
  const first = await stage.send(payload, { key });
  const again = await stage.send(payload, { key });
  assert.ok(first.status < 400, `the first request is answered with ${first.status}`);
  if (answer === undefined || stage.has('effects')) await stage.assertEffects(payload, 1, [first, again]);
  assertSame(first, again);
  return { first, again };
}

/** Values that are mistaken for "there is no answer". */
const FALSY: readonly (readonly [AnswerKind, string, unknown])[] = [
  ['null', 'null', null],
  ['zero', '0', 0],
  ['false', 'false', false],
  ['empty-string', '""', ''],
];

export const replayCases: readonly ContractCase[] = [
  {
    id: 'S18',
    title: 'answers a repeated request with the first answer, and does not run it again',
    sources: ['S16', 'S18', 'S27', DRAFT, 'WIRE: Replay'],
    needs: ['replay'],
    async run(stage) {
      const { first } = await twice(stage);
      assertDone(first);
    },
  },
  {
    id: 'S17',
    title: 'has recorded the answer before it is sent: a retry at once is a replay',
    sources: ['S17', DRAFT],
    needs: ['replay'],
    async run(stage) {
      for (let round = 0; round < 10; round++) await twice(stage);
    },
  },
  {
    id: 'S19',
    title: 'answers ten repeated requests with the first answer, after one effect',
    sources: ['S19', DRAFT],
    needs: ['replay'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const answers: Answer[] = [];
      for (let each = 0; each < 10; each++) answers.push(await stage.send(payload, { key }));
      const [first] = answers as [Answer];
      assertDone(first);
      for (const answer of answers) assertSame(first, answer);
      await stage.assertEffects(payload, 1, answers);
    },
  },
  {
    id: 'S23',
    title: 'marks a replay, and only a replay',
    sources: ['S23', 'WIRE: Replay', 'draft-07 issue 46'],
    needs: ['replay', 'replayMark'],
    async run(stage) {
      const { first, again } = await twice(stage);
      assert.equal(first.headers.get('idempotency-replayed'), null, 'the first answer is not marked');
      assertReplayed(stage, first, again);
    },
  },
  {
    id: 'S20',
    title: 'replays 201 with its Location',
    sources: ['S20', 'S130'],
    needs: ['replay', 'http', 'answer:created'],
    async run(stage) {
      const { first, again } = await twice(stage, 'created');
      assert.equal(first.status, 201);
      assert.ok(first.headers.get('location'), 'the first answer has a Location');
      assert.equal(again.headers.get('location'), first.headers.get('location'), 'the replay has the same');
    },
  },
  {
    id: 'S21',
    title: 'replays text as text',
    sources: ['S21', 'S130'],
    needs: ['replay', 'http', 'answer:text', 'effects'],
    async run(stage) {
      const { again } = await twice(stage, 'text');
      assert.match(again.headers.get('content-type') ?? '', /^text\/plain/);
      assert.ok(again.text.length > 0, 'there is a text');
    },
  },
  {
    id: 'N8-empty',
    title: 'replays an empty body without running again',
    sources: ['N8', 'S22', 'S51'],
    needs: ['replay', 'http', 'answer:empty', 'effects'],
    async run(stage) {
      const { again } = await twice(stage, 'empty');
      assert.equal(again.bytes.length, 0);
    },
  },
  {
    id: 'N8-no-content',
    title: 'replays 204 as 204 without running again',
    sources: ['N8', 'S22'],
    needs: ['replay', 'http', 'answer:no-content', 'effects'],
    async run(stage) {
      const { first } = await twice(stage, 'no-content');
      assert.equal(first.status, 204);
    },
  },
  ...FALSY.map(
    ([kind, shown, value]): ContractCase => ({
      id: `N8-${kind}`,
      title: `replays ${shown} without running again`,
      sources: ['N8', 'S22'],
      needs: ['replay', `answer:${kind}`, 'effects'],
      async run(stage) {
        const { again } = await twice(stage, kind);
        assert.deepEqual(stage.value(again) ?? null, value);
      },
    }),
  ),
  {
    id: 'N9',
    title: 'leaves bytes alone, on the first answer and on the replay',
    sources: ['N9', 'S132'],
    needs: ['replay', 'http', 'answer:binary', 'effects'],
    async run(stage) {
      const { first, again } = await twice(stage, 'binary');
      const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      assert.ok(first.bytes.equals(all), 'the first answer has the 256 bytes');
      assert.ok(again.bytes.equals(all), 'the replay has the 256 bytes');
    },
  },
  {
    id: 'N16',
    title: 'replays a redirect after the effect without running again',
    sources: ['N16', 'S67'],
    needs: ['replay', 'http', 'answer:redirect', 'effects'],
    async run(stage) {
      const { first, again } = await twice(stage, 'redirect');
      assert.equal(first.status, 303);
      assert.equal(again.headers.get('location'), first.headers.get('location'));
    },
  },
  {
    id: 'N25',
    title: 'does not run again where the answer was too large to keep',
    sources: ['N25', 'S133', 'WIRE: outcome_gone'],
    needs: ['replay', 'answer:large', 'effects'],
    async run(stage) {
      const payload = stage.payload({ answer: 'large' });
      const key = stage.key();
      const first = await stage.send(payload, { key });
      const again = await stage.send(payload, { key });
      await stage.assertEffects(payload, 1, []);
      if (again.status < 400) assertSame(first, again);
      else if (stage.has('wireProblems')) assert.equal(stage.problem(again)?.code, 'outcome_gone');
    },
  },
  {
    id: 'S17-burst',
    title: 'replays to many at once after the first answer',
    sources: ['S17', 'S19', 'S33'],
    needs: ['replay'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const first = await stage.send(payload, { key });
      assertDone(first);
      const again = await Promise.all(Array.from({ length: 12 }, () => stage.send(payload, { key })));
      for (const answer of again) assertSame(first, answer);
      await stage.assertEffects(payload, 1, [first, ...again]);
    },
  },
];
