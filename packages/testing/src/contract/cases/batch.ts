import assert from 'node:assert/strict';
import { type IdempotencyProblem, parseIdempotencyProblem } from '@semel/contract/v1/pure';
import { member } from '../carrier.ts';
import type { ContractCase } from '../case.ts';
import type { Payload } from '../payload.ts';
import type { Stage } from '../stage.ts';
import type { Answer } from '../transport.ts';

const WIRE = 'WIRE: Request (Idempotency-Keys)';

interface Part {
  readonly id: unknown;
  readonly problem: IdempotencyProblem | undefined;
}

/** One batch as tRPC's `httpBatchLink` sends it, with the key header written by hand. */
async function together(
  stage: Stage,
  payloads: readonly Payload[],
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly answer: Answer; readonly parts: readonly Part[] }> {
  const { target, carrier } = stage;
  const body = payloads.map(
    (payload, index) => `"${index}":${carrier.wrap(JSON.stringify(target.body?.(payload) ?? payload))}`,
  );
  const path = payloads.map(() => target.path).join(',');
  const answer = await stage.ask('POST', carrier.address(target.url, path, 'batch=1'), {
    headers: { 'content-type': 'application/json', ...headers },
    body: `{${body.join(',')}}`,
  });
  const list = Array.isArray(answer.json) ? answer.json : [];
  assert.equal(list.length, payloads.length, `a batch is answered with ${answer.text.slice(0, 200)}`);
  const parts = list.map((part: unknown) => ({
    id: target.executionOf?.(carrier.value(part)) ?? member(carrier.value(part), 'id'),
    problem: parseIdempotencyProblem(part),
  }));
  return { answer, parts };
}

async function assertRuns(stage: Stage, payload: Payload, times: number): Promise<void> {
  if (stage.has('effects')) await stage.assertEffects(payload, times, []);
}

export const batchCases: readonly ContractCase[] = [
  {
    id: 'N30',
    title: 'gives each call of a batch a key of its own, in any order',
    sources: ['N30', WIRE],
    needs: ['trpc', 'batch', 'replay'],
    async run(stage) {
      const [one, other] = [stage.payload(), stage.payload()];
      const [a, b] = [stage.key(), stage.key()];
      const first = await together(stage, [one, other], { 'idempotency-keys': `"${a}", "${b}"` });
      const again = await together(stage, [other, one], { 'idempotency-keys': `"${b}", "${a}"` });
      const [firstA, firstB] = first.parts;
      assert.ok(firstA?.id !== undefined && firstB?.id !== undefined, 'both ran');
      assert.deepEqual(
        again.parts.map(({ id }) => id),
        [firstB.id, firstA.id],
      );
      await assertRuns(stage, one, 1);
      await assertRuns(stage, other, 1);
    },
  },
  {
    id: 'W25',
    title: 'names the replayed calls of a batch by their indexes',
    sources: ['WIRE: Replay', 'S23'],
    needs: ['trpc', 'batch', 'replay', 'replayMark'],
    async run(stage) {
      const [old, fresh] = [stage.payload(), stage.payload()];
      const key = stage.key();
      await stage.send(old, { key });
      const { answer } = await together(stage, [fresh, old], {
        'idempotency-keys': `"${stage.key()}", "${key}"`,
      });
      assert.equal(answer.headers.get('idempotency-replayed'), '1');
    },
  },
  {
    id: 'W26',
    title: 'refuses the call of a batch that has no key, and runs its neighbour',
    sources: [WIRE, 'S1'],
    needs: ['trpc', 'batch', 'requiredKey', 'wireProblems'],
    async run(stage) {
      const [keyed, bare] = [stage.payload(), stage.payload()];
      const { parts } = await together(stage, [keyed, bare], {
        'idempotency-keys': `"${stage.key()}", ?0`,
      });
      assert.ok(parts[0]?.id !== undefined, 'the keyed call ran');
      assert.equal(parts[1]?.problem?.code, 'key_missing');
      await assertRuns(stage, bare, 0);
    },
  },
  {
    id: 'W27',
    title: 'runs no call of a batch whose keys cannot be matched with its calls',
    sources: [WIRE],
    needs: ['trpc', 'batch', 'structuredKeys', 'wireProblems'],
    async run(stage) {
      const key = stage.key();
      const lists = [`"${key}"`, `"${key}", "b", "c"`, `"${key}", b`, `"${key}", "b`, `"${key}", ?1`, ''];
      for (const list of lists) {
        const payloads = [stage.payload(), stage.payload()];
        const { parts } = await together(stage, payloads, { 'idempotency-keys': list });
        for (const { problem } of parts) assert.equal(problem?.code, 'key_malformed', `the list ${list}`);
        for (const payload of payloads) await assertRuns(stage, payload, 0);
      }
    },
  },
  {
    id: 'W28',
    title: 'runs no call of a batch that comes with the header for one call',
    sources: [WIRE],
    needs: ['trpc', 'batch', 'structuredKeys', 'wireProblems'],
    async run(stage) {
      const payloads = [stage.payload(), stage.payload()];
      const { parts } = await together(stage, payloads, { 'idempotency-key': `"${stage.key()}"` });
      for (const { problem } of parts) assert.equal(problem?.code, 'key_malformed');
      for (const payload of payloads) await assertRuns(stage, payload, 0);
    },
  },
  {
    id: 'W29',
    title: 'runs a call once that stands twice in a batch',
    sources: [WIRE, 'S37'],
    needs: ['trpc', 'batch', 'replay'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const { parts } = await together(stage, [payload, payload], {
        'idempotency-keys': `"${key}", "${key}"`,
      });
      const ids = new Set(parts.map(({ id }) => id).filter((id) => id !== undefined));
      assert.equal(ids.size, 1, 'there is one result');
      for (const { id, problem } of parts) if (id === undefined) assert.equal(problem?.code, 'in_flight');
      await assertRuns(stage, payload, 1);
    },
  },
];
