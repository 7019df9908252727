import assert from 'node:assert/strict';
import type { StoreCase } from './case.ts';
import {
  DECISION,
  deliver,
  enqueue,
  enqueued,
  rescheduled,
  undecided,
  WORKER,
  workAgain,
  working,
} from './queued.ts';
import { completed, HOUR, MINUTE, outcome, POLICY, YEAR } from './stage.ts';

/** Given the way to put the process's clock wrong, so that only the group "clock skew" does so. */
export const queuedSkewCases = (
  withWrongClock: (offsetMs: number, run: () => Promise<void>) => Promise<void>,
): readonly StoreCase[] => [
  {
    title: 'takes no work over and calls none stranded early for a process whose clock is ahead',
    async run(stage) {
      const { store, record, scope } = stage;
      const alive = await working(stage);
      const waits = await enqueued(stage);
      const dead = await undecided(stage, 'dead');
      const settled = await working(stage);
      await store.settle(settled, completed(), WORKER);
      const expired = await record(settled);
      await withWrongClock(2 * YEAR, async () => {
        assert.equal((await deliver(store, alive)).kind, 'not_now');
        assert.equal((await enqueue(stage, { ...workAgain(stage, settled), expired })).won, false);
        const stranded = await store.queue.stranded({ limit: 10_000, graceMs: HOUR });
        assert.deepEqual(
          stranded.filter((each) => each.scope === scope),
          [],
        );
        const redriven = await store.decisions.redrive(
          dead.operationId,
          { grantAttempts: 1 },
          async () => {},
          DECISION,
        );
        assert.equal(redriven.kind, 'done', 'its window is open');
      });
      assert.deepEqual(await record(waits), waits);
    },
  },
  {
    title: 'takes work over and finds it stranded in time for a process whose clock is behind',
    async run(stage) {
      const { store, travel, scope } = stage;
      const orphan = await working(stage);
      const waits = await enqueued(stage);
      const dead = await undecided(stage, 'dead');
      await travel(POLICY.downstreamWindowMs - HOUR);
      const ids = [orphan, waits].map(({ operationId }) => operationId).sort();
      await withWrongClock(-2 * YEAR, async () => {
        const stranded = await store.queue.stranded({ limit: 10_000, graceMs: HOUR });
        const mine = stranded.filter((each) => each.scope === scope);
        assert.deepEqual(mine.map(({ operationId }) => operationId).sort(), ids);
        assert.equal((await deliver(store, orphan)).kind, 'started');
      });
      await travel(2 * HOUR);
      await withWrongClock(-2 * YEAR, async () => {
        const late = await store.decisions.release(dead.operationId, DECISION);
        assert.equal(late.kind, 'not_now');
        const redriven = await store.decisions.redrive(
          dead.operationId,
          { grantAttempts: 1 },
          async () => {},
          DECISION,
        );
        assert.equal(redriven.kind, 'window_passed');
      });
    },
  },
  {
    title: 'writes when work is due and was decided about by its own clock, whatever the process believes',
    async run(stage) {
      const { store, see } = stage;
      const { now } = await see(await enqueued(stage));
      const near = (at = 0) => Math.abs(at - now) < 5 * MINUTE;
      for (const offset of [5 * HOUR, -5 * HOUR])
        await withWrongClock(offset, async () => {
          const first = await enqueued(stage);
          assert.ok(near((await store.queue.work(first.operationId))?.dueAt));
          const claim = await working(stage);
          assert.ok(near(claim.now) && near(claim.firstClaimedAt));
          await store.queue.recordProgress(claim, 'half');
          assert.ok(near((await store.queue.progress(claim.operationId))?.at));
          await store.settle(claim, rescheduled(HOUR), WORKER);
          assert.ok(near(((await store.queue.work(claim.operationId))?.dueAt ?? 0) - HOUR));
          await store.decisions.cancel(first.operationId, outcome('cancelled'), DECISION);
          for (const { at } of await store.decisions.decisions(first.operationId)) assert.ok(near(at));
          assert.ok(near((await store.decisions.list({ limit: 1 })).now));
        });
    },
  },
];
