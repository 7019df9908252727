import assert from 'node:assert/strict';
import type { ContractCase } from '../case.ts';
import { assertDone, assertRefused, assertRetryAfter } from '../expect.ts';
import type { Stage } from '../stage.ts';
import type { Answer } from '../transport.ts';

const WIRE = 'WIRE: Answers';
const HOP_BY_HOP = ['proxy-authenticate', 'te', 'trailer', 'upgrade', 'authorization', 'traceparent'];

async function pair(stage: Stage): Promise<readonly [Answer, Answer]> {
  const payload = stage.payload();
  const key = stage.key();
  const first = await stage.send(payload, { key });
  assertDone(first);
  return [first, await stage.send(payload, { key })];
}

export const headerCases: readonly ContractCase[] = [
  {
    id: 'S25',
    title: 'lets no cache keep an answer to a keyed request: first, replay or refusal',
    sources: ['S25', WIRE],
    needs: ['noStore', 'replay'],
    async run(stage) {
      const answers: Answer[] = [...(await pair(stage))];
      const key = stage.key();
      await stage.send(stage.payload(), { key });
      answers.push(await stage.send(stage.payload({ amount: 5 }), { key }));
      if (stage.has('structuredKeys')) answers.push(await stage.send(stage.payload(), { keyHeader: '"x' }));
      for (const { status, headers } of answers)
        assert.equal(headers.get('cache-control'), 'private, no-store', `an answer ${status}`);
    },
  },
  {
    id: 'S25-length',
    title: 'sends a replay with the length that it has',
    sources: ['S25', 'S133'],
    needs: ['replay'],
    async run(stage) {
      for (const { headers, bytes } of await pair(stage)) {
        const length = headers.get('content-length');
        if (length !== null) assert.equal(Number(length), bytes.length);
        else assert.ok(bytes.length > 0, 'a body without a length has an end');
      }
    },
  },
  {
    id: 'S129',
    title: "replays no header that belongs to a connection, a trace or the first caller's session",
    sources: ['S129', 'S131', 'WIRE: Replay'],
    needs: ['replay'],
    async run(stage) {
      const [, again] = await pair(stage);
      for (const name of HOP_BY_HOP) assert.equal(again.headers.get(name), null, name);
      assert.deepEqual(again.headers.getSetCookie(), []);
    },
  },
  {
    id: 'W16',
    title: 'names the operation, and names it again on a replay',
    sources: [WIRE],
    needs: ['operationHeader', 'replay'],
    async run(stage) {
      const [first, again] = await pair(stage);
      const name = first.headers.get('idempotency-operation');
      assert.ok(name !== null, 'the answer carries no Idempotency-Operation');
      assert.match(name, /^[\w-]{22,}$/, 'an operation id has at least 128 random bits');
      assert.equal(again.headers.get('idempotency-operation'), name);
      const [other] = await pair(stage);
      assert.notEqual(other.headers.get('idempotency-operation'), name, 'another operation has another');
    },
  },
  {
    id: 'W17',
    title: 'refuses a contract version that it does not know, and runs nothing',
    sources: ['WIRE: Request', 'WIRE: contract_unsupported'],
    needs: ['contractHeader', 'wireProblems'],
    async run(stage) {
      for (const version of ['2', '0', 'x', '']) {
        const payload = stage.payload();
        const asking = { key: stage.key(), headers: { 'idempotency-contract': version } };
        assertRefused(stage, await stage.send(payload, asking), 400, 'contract_unsupported');
        if (stage.has('effects')) await stage.assertEffects(payload, 0, []);
      }
    },
  },
  {
    id: 'W18',
    title: 'takes a request that names contract version 1 for one that names none',
    sources: ['WIRE: Request'],
    needs: ['contractHeader', 'replay'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const first = await stage.send(payload, { key, headers: { 'idempotency-contract': '1' } });
      assertDone(first);
      await stage.assertEffects(payload, 1, [first, await stage.send(payload, { key })]);
    },
  },
  {
    id: 'W19',
    title: 'tells of a contract that it does not know before it tells of a key',
    sources: ['WIRE: Precedence'],
    needs: ['contractHeader', 'wireProblems', 'structuredKeys'],
    async run(stage) {
      const headers = { 'idempotency-contract': '2' };
      for (const keyHeader of ['"unterminated', '""'])
        assertRefused(
          stage,
          await stage.send(stage.payload(), { keyHeader, headers }),
          400,
          'contract_unsupported',
        );
      assertRefused(stage, await stage.send(stage.payload(), { headers }), 400, 'contract_unsupported');
    },
  },
  {
    id: 'W20',
    title: 'says how long to wait in whole seconds, rounded up from what the body says',
    sources: ['S42', WIRE],
    needs: ['slowHandler', 'inFlight:conflict', 'retryAfter', 'wireProblems'],
    async run(stage) {
      const payload = stage.payload({ delayMs: stage.slowMs });
      const key = stage.key();
      const running = stage.send(payload, { key });
      await stage.moment();
      const late = await stage.send(payload, { key });
      const loser = late.status === 409 ? late : await running;
      assertRefused(stage, loser, 409, 'in_flight');
      assertRetryAfter(stage, loser);
      assert.equal(stage.problem(loser)?.retryable, true);
      await running;
    },
  },
];
