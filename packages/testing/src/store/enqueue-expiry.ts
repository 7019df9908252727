import assert from 'node:assert/strict';
import type { StoreCase } from './case.ts';
import { accepted, DECISION, decided, enqueue, enqueued, sentLabel, workAgain, working } from './queued.ts';
import { completed, MINUTE, outcome, POLICY, type Stage, TRACE, times } from './stage.ts';

const WITHIN_GRACE = POLICY.ttlMs + 5 * MINUTE;
const AFTER_GRACE = POLICY.ttlMs + 13 * MINUTE;

/** Settled work with everything that an operation may have. */
async function settledWork(stage: Stage) {
  const claim = await working(stage);
  await stage.store.queue.recordProgress(claim, 'half');
  await stage.store.settle(claim, completed('old'), TRACE);
  return claim;
}

export const enqueueExpiryCases: readonly StoreCase[] = [
  {
    title: 'enqueues in place of an expired operation only after its expiry and the grace, and when told to',
    async run(stage) {
      const { record, travel, effects } = stage;
      for (const make of [() => settledWork(stage), () => stage.settledAs('released')]) {
        const old = await make();
        await travel(WITHIN_GRACE);
        const early = await record(old);
        const result = await enqueue(stage, { ...workAgain(stage, early), expired: early });
        assert.ok(!result.won);
        assert.deepEqual(result.record, early);
        await travel(AFTER_GRACE - WITHIN_GRACE);
        const expired = await record(old);
        assert.equal((await enqueue(stage, workAgain(stage, expired))).won, false, 'nobody told it to');
        assert.equal(await effects.count(sentLabel(old)), 0);
        const asked = { ...workAgain(stage, expired), expired };
        const fresh = accepted(await enqueue(stage, asked));
        assert.deepEqual(
          [fresh.operationId, fresh.attempt, fresh.version, fresh.state, fresh.outcome, fresh.expiresAt],
          [asked.operationId, 0, 1, 'accepted', undefined, undefined],
        );
        assert.deepEqual(await record(old), fresh);
        assert.equal(await effects.count(sentLabel(old)), 1);
        // An acknowledgement may get lost here too.
        assert.deepEqual(accepted(await enqueue(stage, asked)), fresh);
        assert.equal(await effects.count(sentLabel(old)), 1);
      }
    },
  },
  {
    title: 'gives work that replaces an expired operation nothing of it',
    async run(stage) {
      const { store, record, travel } = stage;
      const cancelled = await enqueued(stage);
      decided(await store.decisions.cancel(cancelled.operationId, outcome('cancelled'), DECISION));
      for (const old of [await settledWork(stage), cancelled]) {
        await travel(AFTER_GRACE);
        const expired = await record(old);
        const fresh = accepted(await enqueue(stage, { ...workAgain(stage, expired), expired }));
        assert.equal(await store.queue.progress(fresh.operationId), undefined);
        assert.deepEqual(await store.decisions.decisions(fresh.operationId), []);
        assert.equal((await store.history(fresh.operationId)).length, 1);
        assert.equal(await store.find(old.operationId), undefined);
        assert.equal(await store.queue.progress(old.operationId), undefined);
        assert.deepEqual(await store.decisions.decisions(old.operationId), []);
      }
    },
  },
  {
    title: 'replaces no operation but the one that was seen',
    async run(stage) {
      const { record, travel, effects } = stage;
      const old = await settledWork(stage);
      await travel(AFTER_GRACE);
      const expired = await record(old);
      const stale = { ...expired, version: expired.version - 1 };
      assert.equal((await enqueue(stage, { ...workAgain(stage, old), expired: stale })).won, false);
      const fresh = accepted(await enqueue(stage, { ...workAgain(stage, old), expired }));
      assert.equal((await enqueue(stage, { ...workAgain(stage, old), expired })).won, false);
      assert.deepEqual(await record(old), fresh);
      assert.equal(await effects.count(sentLabel(old)), 1);
    },
  },
  {
    title: 'lets exactly one of many requests enqueue under the key that became free',
    async run(stage) {
      const { store, record, travel, effects } = stage;
      const old = await settledWork(stage);
      await travel(AFTER_GRACE);
      const expired = await record(old);
      const results = await Promise.all(
        times(12, () => enqueue(stage, { ...workAgain(stage, old), expired })),
      );
      assert.equal(results.filter(({ won }) => won).length, 1);
      const { operationId } = await record(old);
      assert.equal((await store.history(operationId)).length, 1);
      assert.equal(await effects.count(sentLabel(old)), 1);
    },
  },
];
