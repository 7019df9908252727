import assert from 'node:assert/strict';
import type { StoreCase } from './case.ts';
import { deliver, delivery, QUEUED, rescheduled, startedClaim, WORK, WORKER, working } from './queued.ts';
import { assertRefused } from './refused.ts';
import { completed, MINUTE, outcome, POLICY, TRACE, times } from './stage.ts';

const ORPHANED = POLICY.leaseMs + 5 * MINUTE;

/** Work whose attempt died, and work that was given back. */
export const startOverCases: readonly StoreCase[] = [
  {
    title: 'gives work whose lease ran out to the next delivery, and not before',
    async run(stage) {
      const { store, travel, record } = stage;
      const zombie = await working(stage);
      await travel(POLICY.leaseMs - 5 * MINUTE);
      assert.equal((await deliver(store, zombie)).kind, 'not_now');
      await travel(10 * MINUTE);
      const before = await record(zombie);
      const asked = delivery(zombie.operationId);
      const result = await store.queue.start(asked);
      const { now } = startedClaim(result);
      const { attempt: _, owner: __, now: ___, ...kept } = zombie;
      const { firstClaimedAt, createdAt } = before;
      const claim = { ...kept, firstClaimedAt, createdAt, attempt: 2, owner: asked.owner, now };
      assert.deepEqual(result, { kind: 'started', claim, work: WORK, cause: 'overtaken' });
      assert.deepEqual(await store.queue.start(asked), result, 'and again, if its answer was lost');
      const leaseUntil = now + POLICY.leaseMs;
      const changed = { attempt: 2, version: 3, owner: asked.owner, updatedAt: now, leaseUntil };
      assert.deepEqual(await record(zombie), { ...before, ...changed });
    },
  },
  {
    title: 'takes no work from an attempt that was renewed',
    async run(stage) {
      const { store, travel } = stage;
      const claim = await working(stage);
      await travel(ORPHANED);
      await store.renew([claim]);
      assert.equal((await deliver(store, claim)).kind, 'not_now');
      assert.equal((await store.settle(claim, completed(), WORKER)).kind, 'settled');
    },
  },
  {
    title: 'lets exactly one of many deliveries take over',
    async run(stage) {
      const { store, travel, record } = stage;
      const zombie = await working(stage);
      await travel(ORPHANED);
      const results = await Promise.all(times(12, () => deliver(store, zombie)));
      assert.equal(results.filter(({ kind }) => kind === 'started').length, 1);
      assert.equal((await record(zombie)).attempt, 2);
      assert.equal((await store.history(zombie.operationId)).length, 3);
    },
  },
  {
    title:
      'refuses what the overtaken worker brings late, however it ends, and keeps its outcome as evidence',
    async run(stage) {
      const { store, travel, record } = stage;
      const zombie = await working(stage);
      await travel(ORPHANED);
      const successor = startedClaim(await deliver(store, zombie));
      const before = await record(zombie);
      const work = await store.queue.work(zombie.operationId);
      const by = { state: 'processing', attempt: 2 } as const;
      const late = await store.settle(zombie, completed('late'), TRACE);
      await assertRefused(store, zombie, late, {
        by,
        attemptedState: 'completed',
        evidence: outcome('late'),
      });
      for (const end of [rescheduled(MINUTE, 'late'), { to: 'dead', cause: 'exhausted', lastError: 'late' }])
        assert.deepEqual(await store.settle(zombie, end as ReturnType<typeof rescheduled>, TRACE), {
          kind: 'overtaken',
          by,
        });
      assert.deepEqual(await record(zombie), before);
      assert.deepEqual(await store.queue.work(zombie.operationId), work);
      assert.equal((await store.settle(successor, completed('mine'), WORKER)).kind, 'settled');
    },
  },
  {
    title: 'takes no work over that is out of attempts or past its downstream window',
    async run(stage) {
      const { store, travel, record } = stage;
      const lastAttempt = await working(stage, { policy: { ...QUEUED, maxAttempts: 1 } });
      const old = await working(stage, { policy: { ...QUEUED, downstreamWindowMs: 30 * MINUTE } });
      await travel(ORPHANED);
      for (const claim of [lastAttempt, old]) {
        const seen = await record(claim);
        assert.equal((await deliver(store, claim)).kind, 'not_now');
        assert.deepEqual(await record(claim), seen);
      }
    },
  },
  {
    title: 'starts what is accepted whatever its attempts and its window',
    async run(stage) {
      const { store, travel } = stage;
      const lastAttempt = await working(stage, { policy: { ...QUEUED, maxAttempts: 1 } });
      const old = await working(stage);
      for (const claim of [lastAttempt, old]) await store.settle(claim, rescheduled(), WORKER);
      assert.equal(startedClaim(await deliver(store, lastAttempt)).attempt, 2);
      await travel(POLICY.downstreamWindowMs + 5 * MINUTE);
      assert.equal(startedClaim(await deliver(store, old)).attempt, 2);
    },
  },
  {
    title: 'takes no work over whose record says that a dead attempt needs a decision',
    async run(stage) {
      const { store, travel } = stage;
      const claim = await working(stage, { policy: { ...QUEUED, onCrash: 'suspend' } });
      await travel(ORPHANED);
      assert.equal((await deliver(store, claim)).kind, 'not_now');
      // What was given back is another matter: its owner said that it may run again.
      await store.settle(claim, rescheduled(), WORKER);
      assert.equal(startedClaim(await deliver(store, claim)).attempt, 2);
    },
  },
];
