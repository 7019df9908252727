import assert from 'node:assert/strict';
import type { StoreCase } from './case.ts';
import { DECISION, decided, deliver, enqueued, QUEUED, undecided, WORK, WORKER, working } from './queued.ts';
import { completed, MINUTE, outcome, POLICY, RECOVERY, type Stage, sweepAll, YEAR } from './stage.ts';

const ORPHANED = POLICY.leaseMs + 5 * MINUTE;

export const queuedSweepCases: readonly StoreCase[] = [
  {
    title:
      'declares queued orphans dead that are only out of attempts, and suspends those that may not go on',
    async run(stage) {
      const { store, travel, record } = stage;
      const lastAttempt = { ...QUEUED, maxAttempts: 1 };
      const exhausted = await working(stage, { policy: lastAttempt });
      const suspends = await working(stage, { policy: { ...lastAttempt, onCrash: 'suspend' } });
      const pastWindow = await working(stage, { policy: { ...lastAttempt, downstreamWindowMs: MINUTE } });
      const leased = await stage.running({ policy: { ...lastAttempt, mode: 'leased' } });
      const resumes = await working(stage);
      const waits = await enqueued(stage);
      await travel(ORPHANED);
      const alive = await working(stage, { policy: lastAttempt });
      const changed = await sweepAll(() => store.sweepOrphans({ limit: 100, trace: RECOVERY }));
      const all = [exhausted, suspends, pastWindow, leased, resumes, waits, alive];
      assert.deepEqual(
        (await Promise.all(all.map(record))).map(({ state }) => state),
        ['dead', 'suspended', 'suspended', 'suspended', 'processing', 'accepted', 'processing'],
      );
      assert.deepEqual(
        changed
          .filter(({ scope }) => scope === stage.scope)
          .map(({ operationId }) => operationId)
          .sort(),
        [exhausted, suspends, pastWindow, leased].map(({ operationId }) => operationId).sort(),
      );
      const dead = changed.find(({ operationId }) => operationId === exhausted.operationId);
      const { scope, procedure, key, operationId } = exhausted;
      const owner = { deadLetterOwner: WORK.deadLetterOwner };
      assert.deepEqual(dead, { scope, procedure, key, operationId, attempt: 1, state: 'dead', ...owner });
      const given = changed.find(({ operationId: id }) => id === leased.operationId);
      assert.deepEqual(given, {
        ...{ scope, procedure, key: leased.key, operationId: leased.operationId },
        ...{ attempt: 1, state: 'suspended' },
      });
      const row = (await store.history(exhausted.operationId))[2];
      assert.deepEqual([row?.cause, row?.actor, row?.attempt], ['exhausted', 'recovery', 1]);
      const { leaseUntil, expiresAt } = await record(exhausted);
      assert.deepEqual([leaseUntil, expiresAt], [undefined, undefined]);
      const { dueAt: _, ...work } = (await store.queue.work(exhausted.operationId)) ?? { dueAt: 0 };
      assert.deepEqual(work, WORK);
      assert.equal((await deliver(store, resumes)).kind, 'started');
    },
  },
  {
    title: 'never deletes queued work that is not settled, however old',
    async run(stage) {
      const { store, travel, record } = stage;
      const kept = [
        await enqueued(stage),
        await undecided(stage, 'dead'),
        await undecided(stage, 'suspended'),
      ];
      await travel(10 * YEAR);
      const before = await Promise.all(kept.map(record));
      await sweepAll(() => store.sweepExpired({ limit: 100 }));
      assert.deepEqual(await Promise.all(kept.map(record)), before);
      for (const { operationId } of kept) assert.notEqual(await store.queue.work(operationId), undefined);
    },
  },
  {
    title: 'deletes progress and decisions with the operation that has expired',
    async run(stage) {
      const { store, travel } = stage;
      const claim = await working(stage);
      await store.queue.recordProgress(claim, 'half');
      await store.settle(claim, completed(), WORKER);
      const cancelled = await enqueued(stage);
      decided(await store.decisions.cancel(cancelled.operationId, outcome('cancelled'), DECISION));
      await travel(POLICY.ttlMs + 13 * MINUTE);
      await sweepAll(() => store.sweepExpired({ limit: 100 }));
      for (const { operationId } of [claim, cancelled]) {
        assert.equal(await store.find(operationId), undefined);
        assert.equal(await store.queue.progress(operationId), undefined);
        assert.equal(await store.queue.work(operationId), undefined);
        assert.deepEqual(await store.decisions.decisions(operationId), []);
      }
    },
  },
  {
    title: 'erases progress with what it purges, and no other',
    async run(stage) {
      const { store } = stage;
      const [settled, goesOn] = [await working(stage), await working(stage)];
      for (const claim of [settled, goesOn]) await store.queue.recordProgress(claim, 'half');
      await store.settle(settled, completed(), WORKER);
      const select = { scope: stage.scope };
      await store.purge({ select, limit: 100, trace: RECOVERY, reason: 'ticket 4711' });
      assert.equal(await store.queue.progress(settled.operationId), undefined);
      assert.equal((await store.queue.progress(goesOn.operationId))?.value, 'half');
    },
  },
  {
    title: 'purges no work that is not settled, and keeps who decided about what it purges',
    run: purgesNoWork,
  },
];

async function purgesNoWork(stage: Stage): Promise<void> {
  const { store, record } = stage;
  const cancelled = await enqueued(stage);
  decided(await store.decisions.cancel(cancelled.operationId, outcome('cancelled'), DECISION));
  const waiting = [await enqueued(stage), await undecided(stage, 'dead')];
  const before = await Promise.all(waiting.map(record));
  const works = await Promise.all(waiting.map(({ operationId }) => store.queue.work(operationId)));
  const decisions = await store.decisions.decisions(cancelled.operationId);
  const report = await store.purge({
    select: { scope: stage.scope },
    limit: 100,
    trace: RECOVERY,
    reason: 'ticket 4711',
  });
  assert.deepEqual(report.purged, [cancelled.operationId]);
  assert.deepEqual([...report.unsettled].sort(), waiting.map(({ operationId }) => operationId).sort());
  assert.deepEqual(await Promise.all(waiting.map(record)), before);
  assert.deepEqual(await Promise.all(waiting.map(({ operationId }) => store.queue.work(operationId))), works);
  assert.equal(decisions.length, 1);
  assert.deepEqual(await store.decisions.decisions(cancelled.operationId), decisions);
}
