import assert from 'node:assert/strict';
import type { EnqueueResult, Store } from '@semel/server/store';
import { callAtomically } from './atomic-call.ts';
import { PATIENCE_MS } from './atomically-races.ts';
import type { StoreCase } from './case.ts';
import { withSecond } from './claim.ts';
import { accepted, enqueue, sentLabel, work, workAgain } from './queued.ts';
import { type Stage, times } from './stage.ts';

export const enqueueRaceCases: readonly StoreCase[] = [
  {
    title: 'lets exactly one of 16 simultaneous requests enqueue, and keeps only what that one sent',
    run: (stage) => race(stage, [stage.store]),
  },
  {
    title: 'lets exactly one of 16 simultaneous requests over two connections enqueue',
    needs: ['second'],
    run: (stage) => withSecond(stage, (second) => race(stage, [stage.store, second])),
  },
  {
    title: 'keeps nothing of a send during which somebody else got the identity',
    async run(stage) {
      const { store, again, effects, record } = stage;
      const asked = work(stage);
      let claiming: ReturnType<Store['claim']> | undefined;
      const result = await store.queue.enqueue(asked, async (tx) => {
        await effects.write(tx, sentLabel(asked));
        claiming = store.claim(again(asked));
        await withPatience(claiming);
      });
      const claim = await claiming;
      assert.ok(claim, 'it was sent');
      assert.equal(claim.won, !result.won, 'one of them has it');
      assert.equal(await effects.count(sentLabel(asked)), result.won ? 1 : 0);
      const { state, operationId } = await record(asked);
      assert.equal(state, result.won ? 'accepted' : 'processing');
      assert.equal((await store.history(operationId)).length, 1);
    },
  },
  {
    title: 'never lets both an atomic call and an enqueue have one identity',
    async run(stage) {
      const { atomic, effects, record } = stage;
      const request = atomic();
      let enqueuing: Promise<EnqueueResult> | undefined;
      const result = await callAtomically(stage, request, async () => {
        enqueuing = enqueue(stage, workAgain(stage, work(stage, request)));
        await withPatience(enqueuing);
        return { settlement: PAID, effects: 'keep', value: 'paid' };
      });
      const answer = await enqueuing;
      assert.ok(answer, 'the body ran');
      assert.equal(answer.won, result.kind === 'existing', 'one of them has it');
      assert.equal(await effects.count(sentLabel(request)), answer.won ? 1 : 0);
      assert.equal(await effects.count(request.scope + request.key), answer.won ? 0 : 1);
      assert.equal((await record(request)).state, answer.won ? 'accepted' : 'completed');
    },
  },
  {
    title: 'lets exactly one of claims, atomic calls and enqueues at once have an identity',
    async run(stage) {
      for (let round = 0; round < 6; round++) await mixedRace(stage, round);
    },
  },
];

const PAID = { to: 'completed', cause: 'succeeded', outcome: '{"v":1,"ok":true}' } as const;

async function withPatience(waiting: Promise<unknown>): Promise<void> {
  await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
}

async function race(stage: Stage, stores: readonly Store[]): Promise<void> {
  const { store, effects } = stage;
  for (const first of times(3, () => work(stage))) {
    const results = await Promise.all(
      times(16, (i) =>
        enqueue({ effects, store: stores[i % stores.length] ?? store }, workAgain(stage, first)),
      ),
    );
    const [winner, ...more] = results.filter(({ won }) => won);
    assert.ok(winner !== undefined && more.length === 0, 'one wins');
    const record = accepted(winner);
    for (const result of results) assert.deepEqual(result.record, record, 'each is told of the winner');
    assert.equal((await store.history(record.operationId)).length, 1);
    assert.equal(await effects.count(sentLabel(first)), 1);
  }
}

async function mixedRace(stage: Stage, round: number): Promise<void> {
  const first = stage.request();
  const { store, again, atomic, effects } = stage;
  const kinds = [
    async () => (await store.claim(again(first))).won,
    async () => (await enqueue(stage, workAgain(stage, work(stage, first)))).won,
    async () => (await callAtomically(stage, { ...atomic(), ...again(first) })).kind === 'settled',
  ];
  // Another kind comes first in each round.
  const calls = times(12, async (i) => {
    const kind = (i + round) % kinds.length;
    return (await kinds[kind]?.()) === true ? [kind] : [];
  });
  const winners = (await Promise.all(calls)).flat();
  assert.equal(winners.length, 1, 'one wins');
  const enqueued = winners[0] === 1 ? 1 : 0;
  const settled = winners[0] === 2 ? 1 : 0;
  assert.equal(await effects.count(sentLabel(first)), enqueued);
  assert.equal(await effects.count(first.scope + first.key), settled);
  const { operationId } = await stage.record(first);
  assert.equal((await store.history(operationId)).length, 1);
}
