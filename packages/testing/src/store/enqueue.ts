import assert from 'node:assert/strict';
import { inTransactions, type StoreCase } from './case.ts';
import { withSecond } from './claim.ts';
import { enqueueExpiryCases } from './enqueue-expiry.ts';
import { enqueueRaceCases } from './enqueue-races.ts';
import { accepted, enqueue, enqueued, sendsNothing, sentLabel, WORK, work, workAgain } from './queued.ts';
import { completed, lost, MINUTE, type Stage, TRACE, times, YEAR } from './stage.ts';

export const enqueueCases: readonly StoreCase[] = inTransactions([
  {
    title: 'accepts new work as attempt 0, and keeps the whole request, its work and what was sent',
    async run(stage) {
      const { store, effects, see } = stage;
      const asked = work(stage);
      const record = accepted(await enqueue(stage, asked));
      const { trace: _, work: __, ...expected } = asked;
      const { createdAt } = record;
      const times = { createdAt, updatedAt: createdAt, firstClaimedAt: createdAt };
      assert.deepEqual(record, { ...expected, state: 'accepted', attempt: 0, version: 1, ...times });
      const seen = await see(asked);
      assert.deepEqual(seen.record, record);
      assert.ok(createdAt <= seen.now && seen.now < createdAt + MINUTE, 'times are of one clock');
      const { dueAt, ...kept } = (await store.queue.work(record.operationId)) ?? { dueAt: 0 };
      assert.deepEqual(kept, WORK);
      assert.ok(Math.abs(dueAt - createdAt) < MINUTE, 'due at once');
      const [first, ...more] = await store.history(record.operationId);
      assert.deepEqual(
        { ...first, at: 0 },
        { seq: 1, from: null, to: 'accepted', attempt: 0, at: 0, cause: 'enqueued', ...TRACE },
      );
      assert.deepEqual(more, []);
      assert.equal(await effects.count(sentLabel(asked)), 1);
    },
  },
  {
    title: 'keeps work byte for byte, and work without an owner for its dead letters',
    async run(stage) {
      const input = `${'a'.repeat(200_000)} ü 漢 🂡 \\ " ' $1`;
      const { operationId } = await enqueued(stage, { work: { principal: 'ü:"1"', input } });
      const { dueAt: _, ...kept } = (await stage.store.queue.work(operationId)) ?? { dueAt: 0 };
      assert.deepEqual(kept, { principal: 'ü:"1"', input });
    },
  },
  {
    title: 'knows no work of leased operations and of operations that do not exist',
    async run({ store, running, request }) {
      const { operationId } = await running();
      assert.equal(await store.queue.work(operationId), undefined);
      assert.equal(await store.queue.work(request().operationId), undefined);
    },
  },
  {
    title: 'leaves nothing of a send that throws, throws the same error, and lets the next request enqueue',
    async run(stage) {
      const { store, effects } = stage;
      const asked = work(stage);
      const error = new Error('the queue is full');
      const sending = store.queue.enqueue(asked, async (tx) => {
        await effects.write(tx, sentLabel(asked));
        throw error;
      });
      await assert.rejects(sending, (thrown) => thrown === error);
      assert.equal(await store.lookup(asked), undefined);
      assert.equal(await store.find(asked.operationId), undefined);
      assert.deepEqual(await store.history(asked.operationId), []);
      assert.equal(await store.queue.work(asked.operationId), undefined);
      assert.equal(await effects.count(sentLabel(asked)), 0);
      accepted(await enqueue(stage, asked));
      assert.equal(await effects.count(sentLabel(asked)), 1);
    },
  },
  {
    title: 'sends nothing for an identity that somebody has, and answers with its record untouched',
    async run(stage) {
      const { store, running, settledAs, record, effects } = stage;
      const taken = [await running(), await settledAs('completed'), await settledAs('released')];
      const before = await Promise.all([...taken, await enqueued(stage)].map(record));
      for (const seen of before) {
        const asked = { ...workAgain(stage, seen), fingerprint: 'v1:another body' };
        const result = await enqueue(stage, asked);
        assert.ok(!result.won);
        assert.deepEqual(result.record, seen);
        assert.deepEqual(await record(seen), seen);
        assert.equal(await effects.count(sentLabel(asked)), 0);
        assert.equal(await store.find(asked.operationId), undefined);
      }
    },
  },
  {
    title: 'enqueues again for the owner whose answer was lost, and sends nothing again',
    run: (stage) => enqueuesOnce(stage, stage.store),
  },
  {
    title: 'enqueues again for the owner whose answer was lost, over another connection',
    needs: ['second'],
    run: (stage) => withSecond(stage, (second) => enqueuesOnce(stage, second)),
  },
  {
    title: 'enqueues and sends once when one owner asks several times at once',
    async run(stage) {
      const asked = work(stage);
      const results = await Promise.all(times(8, () => enqueue(stage, asked)));
      for (const result of results)
        assert.deepEqual(accepted(result), await stage.record(asked), 'the same answer to each');
      assert.equal((await stage.store.history(asked.operationId)).length, 1);
      assert.equal(await stage.effects.count(sentLabel(asked)), 1);
    },
  },
  {
    title: 'gives accepted work to no request, however old it is',
    async run(stage) {
      const { store, again, record, travel } = stage;
      const seen = await enqueued(stage);
      for (const ms of [0, 10 * YEAR]) {
        await travel(ms);
        const now = await record(seen);
        assert.deepEqual(lost(await store.claim(again(seen))), now);
        for (const cause of ['claimed', 'overtaken', 'expired'] as const)
          assert.deepEqual(lost(await store.take(again(seen), now, cause)), now);
        assert.equal((await store.settle({ ...now, now: 0 }, completed(), TRACE)).kind, 'overtaken');
        assert.deepEqual(await record(seen), now);
      }
    },
  },
  ...enqueueRaceCases,
  ...enqueueExpiryCases,
]);

async function enqueuesOnce(stage: Stage, other: Stage['store']): Promise<void> {
  const { effects, record, store } = stage;
  const asked = work(stage);
  accepted(await enqueue(stage, asked));
  const before = await record(asked);
  assert.deepEqual(accepted(await enqueue({ ...stage, store: other }, asked)), before);
  assert.deepEqual(accepted(await other.queue.enqueue(asked, sendsNothing)), before);
  assert.deepEqual(await record(asked), before);
  assert.equal((await store.history(asked.operationId)).length, 1);
  assert.equal(await effects.count(sentLabel(asked)), 1);
}
