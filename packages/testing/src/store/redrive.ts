import assert from 'node:assert/strict';
import type { Decided, OperationRecord, Store } from '@semel/server/store';
import { inTransactions, type StoreCase } from './case.ts';
import { withSecond } from './claim.ts';
import {
  DECISION,
  decided,
  deliver,
  enqueued,
  QUEUED,
  startedClaim,
  undecided,
  WORK,
  WORKER,
  working,
} from './queued.ts';
import { assertDecided } from './resolve.ts';
import { completed, MINUTE, POLICY, RECOVERY, type Stage, sweepAll, times } from './stage.ts';
import { step } from './steps.ts';

export const redriveCases: readonly StoreCase[] = inTransactions([
  {
    title: 'sends dead and suspended work back to the queue as the next attempt, due now, with all it had',
    async run(stage) {
      const { store, record, travel } = stage;
      for (const state of ['dead', 'suspended'] as const) {
        const claim = await undecided(stage, state);
        await travel(20 * MINUTE);
        const before = await record(claim);
        const sent: OperationRecord[] = [];
        const answer = await store.decisions.redrive(
          claim.operationId,
          { grantAttempts: 3 },
          async (_, found) => {
            sent.push(found);
          },
          DECISION,
        );
        const after = decided(answer);
        const { updatedAt, owner } = after;
        const policy = { ...before.policy, maxAttempts: 5 };
        const changed = { attempt: 2, version: before.version + 1, state: 'accepted', policy } as const;
        assert.deepEqual(after, { ...before, ...changed, updatedAt, owner });
        assert.deepEqual(await record(claim), after);
        assert.deepEqual(sent, [after], 'the job is about the record as it is then');
        const { dueAt = 0, lastError: _, ...work } = (await store.queue.work(claim.operationId)) ?? {};
        assert.deepEqual(work, WORK);
        assert.ok(Math.abs(dueAt - updatedAt) < MINUTE, 'due now');
        await assertDecided(stage, before, after, 'redriven');
      }
    },
  },
  {
    title: 'runs what was redriven as one more attempt, with its recorded steps',
    async run(stage) {
      const { store } = stage;
      const first = await working(stage);
      await store.recordStep(first, step('charge'), WORKER);
      await store.settle(first, { to: 'dead', cause: 'exhausted', lastError: 'gave up' }, WORKER);
      decided(await redrive(stage, first));
      const result = await deliver(store, first);
      const claim = startedClaim(result);
      assert.ok(result.kind === 'started');
      assert.deepEqual([claim.attempt, result.cause, result.work], [3, 'started', WORK]);
      assert.equal(claim.firstClaimedAt, first.firstClaimedAt, 'its window is the first one');
      assert.deepEqual(await store.steps(first.operationId), [step('charge')]);
      assert.equal((await store.settle(first, completed('old'), WORKER)).kind, 'overtaken');
      assert.equal((await store.settle(claim, completed(), WORKER)).kind, 'settled');
    },
  },
  {
    title: 'grants so many attempts, and then the work is dead again',
    async run(stage) {
      const { store, travel, record } = stage;
      const first = await undecided(stage, 'dead', { policy: { ...QUEUED, maxAttempts: 1 } });
      decided(await redrive(stage, first, 2));
      const sweep = () => sweepAll(() => store.sweepOrphans({ limit: 100, trace: RECOVERY }));
      for (const [attempt, after] of [
        [3, 'processing'],
        [4, 'dead'],
      ] as const) {
        assert.equal(startedClaim(await deliver(store, first)).attempt, attempt);
        await travel(POLICY.leaseMs + 5 * MINUTE);
        await sweep();
        assert.equal((await record(first)).state, after);
      }
      assert.equal((await deliver(store, first)).kind, 'not_now');
    },
  },
  {
    title: 'leaves nothing of a redrive whose send throws',
    async run(stage) {
      const { store, effects, record } = stage;
      const claim = await undecided(stage, 'dead');
      const before = [await record(claim), await store.queue.work(claim.operationId)];
      const error = new Error('the queue is full');
      const redriving = store.decisions.redrive(
        claim.operationId,
        { grantAttempts: 1 },
        async (tx) => {
          await effects.write(tx, claim.operationId);
          throw error;
        },
        DECISION,
      );
      await assert.rejects(redriving, (thrown) => thrown === error);
      assert.deepEqual([await record(claim), await store.queue.work(claim.operationId)], before);
      assert.deepEqual(await store.decisions.decisions(claim.operationId), []);
      assert.equal((await store.history(claim.operationId)).length, 3);
      assert.equal(await effects.count(claim.operationId), 0);
      decided(await redrive(stage, claim));
    },
  },
  {
    title: 'redrives once when it is asked again because the answer was lost',
    async run(stage) {
      const { effects, store } = stage;
      const claim = await undecided(stage, 'dead');
      const after = decided(await redrive(stage, claim));
      const again = await redrive(stage, claim);
      assert.ok(again.kind === 'not_now');
      assert.deepEqual(again.record, after, 'which shows that it was done');
      assert.equal(await effects.count(claim.operationId), 1);
      assert.equal((await store.decisions.decisions(claim.operationId)).length, 1);
    },
  },
  {
    title: 'lets one of many redrive at once, and sends one job',
    run: (stage) => race(stage, [stage.store]),
  },
  {
    title: 'lets one of many over two connections redrive at once',
    needs: ['second'],
    run: (stage) => withSecond(stage, (second) => race(stage, [stage.store, second])),
  },
  {
    title: 'redrives nothing past its downstream window',
    async run(stage) {
      const { travel, record, effects } = stage;
      const claims = [await undecided(stage, 'dead'), await undecided(stage, 'suspended')];
      await travel(POLICY.downstreamWindowMs + 5 * MINUTE);
      for (const claim of claims) {
        const seen = await record(claim);
        const answer = await redrive(stage, claim);
        assert.ok(answer.kind === 'window_passed');
        assert.deepEqual(answer.record, seen);
        assert.deepEqual(await record(claim), seen);
        assert.equal(await effects.count(claim.operationId), 0);
      }
    },
  },
  {
    title: 'redrives nothing that is leased, can go on by itself, is settled or does not exist',
    async run(stage) {
      const { store, settledAs, record, request, effects } = stage;
      const settled = await working(stage);
      await store.settle(settled, completed(), WORKER);
      const others = [await settledAs('suspended'), await enqueued(stage), await working(stage), settled];
      for (const each of others) {
        const seen = await record(each);
        const answer = await redrive(stage, each);
        assert.ok(answer.kind === 'not_now');
        assert.deepEqual(answer.record, seen);
        assert.deepEqual(await record(each), seen);
        assert.equal(await effects.count(each.operationId), 0);
      }
      assert.deepEqual(await redrive(stage, request()), { kind: 'absent' });
    },
  },
]);

/** Sends one effect, labelled with the operation's id. */
function redrive(
  { store, effects }: Pick<Stage, 'store' | 'effects'>,
  { operationId }: { operationId: string },
  grantAttempts = 1,
): Promise<Decided> {
  return store.decisions.redrive(
    operationId,
    { grantAttempts },
    (tx) => effects.write(tx, operationId),
    DECISION,
  );
}

async function race(stage: Stage, stores: readonly Store[]): Promise<void> {
  const { store, effects, record } = stage;
  const claim = await undecided(stage, 'dead');
  const answers = await Promise.all(
    times(8, (i) => redrive({ effects, store: stores[i % stores.length] ?? store }, claim)),
  );
  assert.deepEqual(answers.map(({ kind }) => kind).sort(), ['done', ...times(7, () => 'not_now')]);
  assert.equal(await effects.count(claim.operationId), 1);
  assert.equal((await record(claim)).attempt, 2);
  assert.equal((await store.decisions.decisions(claim.operationId)).length, 1);
}
