import assert from 'node:assert/strict';
import { member } from '../carrier.ts';
import type { ContractCase } from '../case.ts';
import { assertDone } from '../expect.ts';
import type { Asking, Stage } from '../stage.ts';
import type { Answer } from '../transport.ts';

const WIRE = 'WIRE: Status';

type Question = { readonly operationId: string } | { readonly key: string };

/** Asks as WIRE.md says: the key in a header, never in a URL. */
export function askStatus(stage: Stage, question: Question, as: Asking['as'] = 'first'): Promise<Answer> {
  const { carrier, target } = stage;
  const { path, procedure } = target.status as NonNullable<typeof target.status>;
  if (target.carrier === 'trpc') {
    const input = 'key' in question ? { procedure, key: question.key } : question;
    const query = `input=${encodeURIComponent(carrier.wrap(JSON.stringify(input)))}`;
    return stage.ask('GET', carrier.address(target.url, path, query), { as });
  }
  if ('operationId' in question) {
    return stage.ask('GET', carrier.address(target.url, `${path}/${question.operationId}`), { as });
  }
  const url = carrier.address(target.url, path, `procedure=${encodeURIComponent(procedure)}`);
  return stage.ask('GET', url, { as, headers: { 'idempotency-key': `"${question.key}"` } });
}

const read = (stage: Stage, answer: Answer, name: string): unknown => member(stage.value(answer), name);

export function assertNotFound(stage: Stage, answer: Answer): void {
  assert.ok(answer.status === 200 || answer.status === 404, `answered with ${answer.status}`);
  assert.equal(read(stage, answer, 'state'), 'not_found');
  assert.equal(read(stage, answer, 'outcome'), undefined);
}

export const statusCases: readonly ContractCase[] = [
  {
    id: 'W12',
    title: 'tells who knows only the key what became of the request',
    sources: [WIRE],
    needs: ['status'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      assertDone(await stage.send(payload, { key }));
      const answer = await askStatus(stage, { key });
      assert.equal(answer.status, 200);
      assert.equal(read(stage, answer, 'state'), 'completed');
      assert.equal(read(stage, answer, 'procedure'), stage.target.status?.procedure);
      assert.equal(typeof read(stage, answer, 'operationId'), 'string');
      assert.ok(Array.isArray(read(stage, answer, 'transitions')), 'it has a history');
      const byId = await askStatus(stage, { operationId: read(stage, answer, 'operationId') as string });
      assert.deepEqual(stage.value(byId), stage.value(answer), 'asking by id says the same');
    },
  },
  {
    id: 'W13',
    title: "shows another principal's operation as none",
    sources: [WIRE, 'N10'],
    needs: ['status', 'principals'],
    async run(stage) {
      const key = stage.key();
      assertDone(await stage.send(stage.payload(), { key }));
      const own = await askStatus(stage, { key });
      const operationId = read(stage, own, 'operationId') as string;
      assertNotFound(stage, await askStatus(stage, { key }, 'second'));
      assertNotFound(stage, await askStatus(stage, { operationId }, 'second'));
    },
  },
  {
    id: 'W14',
    title: 'claims nothing by asking: a key that was asked about still runs',
    sources: [WIRE, 'WIRE: Answers'],
    needs: ['status'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      assertNotFound(stage, await askStatus(stage, { key }));
      const first = await stage.send(payload, { key });
      assertDone(first);
      await stage.assertEffects(payload, 1, [first]);
    },
  },
  {
    id: 'W15',
    title: 'lets no cache keep a status',
    sources: [WIRE],
    needs: ['status', 'noStore'],
    async run(stage) {
      const key = stage.key();
      assertDone(await stage.send(stage.payload(), { key }));
      for (const asked of [key, stage.key()]) {
        const { headers } = await askStatus(stage, { key: asked });
        assert.equal(headers.get('cache-control'), 'private, no-store');
      }
    },
  },
];
