import assert from 'node:assert/strict';
import type { StoreCase } from './case.ts';
import {
  DECISION,
  decided,
  deliver,
  enqueued,
  exhausted,
  QUEUED,
  rescheduled,
  undecided,
  WORKER,
  working,
} from './queued.ts';
import { assertDecided } from './resolve.ts';
import { completed, MINUTE, outcome, POLICY, SUSPENDED, TRACE, times, won } from './stage.ts';
import { step } from './steps.ts';

const CANCELLED = outcome('cancelled by its caller');

/** What an operator does besides resolving and redriving. */
export const releaseCases: readonly StoreCase[] = [
  {
    title: 'releases a suspended operation in two transitions, and the next request takes it with its steps',
    async run(stage) {
      const { store, running, record, again } = stage;
      const claim = await running();
      await store.recordStep(claim, step('charge'), TRACE);
      await store.settle(claim, SUSPENDED, TRACE);
      const before = await record(claim);
      const after = decided(await store.decisions.release(claim.operationId, DECISION));
      const { updatedAt, owner } = after;
      const changed = { state: 'released', attempt: 2, version: 4, updatedAt, owner } as const;
      assert.deepEqual(after, { ...before, ...changed, expiresAt: updatedAt + POLICY.ttlMs });
      assert.deepEqual(await record(claim), after);
      const { reason: _, ...trace } = DECISION;
      const rows = (await store.history(claim.operationId)).slice(2);
      assert.deepEqual(
        rows.map(({ at: __, ...row }) => row),
        [
          { seq: 3, from: 'suspended', to: 'processing', attempt: 2, cause: 'resumed', ...trace },
          { seq: 4, from: 'processing', to: 'released', attempt: 2, cause: 'released', ...trace },
        ],
      );
      const [row, ...more] = await store.decisions.decisions(claim.operationId);
      const { at = 0, ...told } = row ?? {};
      assert.deepEqual(told, { operationId: claim.operationId, seq: 3, action: 'released', ...DECISION });
      assert.ok(Math.abs(at - updatedAt) < MINUTE);
      assert.deepEqual(more, []);
      const next = won(await store.take(again(claim), after, 'claimed'));
      assert.deepEqual([next.attempt, next.firstClaimedAt], [3, claim.firstClaimedAt]);
      assert.deepEqual(await store.steps(claim.operationId), [step('charge')]);
      assert.equal((await store.settle(claim, completed('old'), TRACE)).kind, 'overtaken');
      assert.equal((await store.settle(next, completed(), TRACE)).kind, 'settled');
    },
  },
  {
    title: 'releases once when many ask at once',
    async run({ store, settledAs, record }) {
      const { operationId, ...identity } = await settledAs('suspended');
      const answers = await Promise.all(times(8, () => store.decisions.release(operationId, DECISION)));
      assert.deepEqual(answers.map(({ kind }) => kind).sort(), ['done', ...times(7, () => 'not_now')]);
      assert.equal((await record(identity)).attempt, 2);
      assert.equal((await store.decisions.decisions(operationId)).length, 1);
    },
  },
  {
    title: 'releases nothing past its downstream window',
    async run({ store, settledAs, record, travel }) {
      const claim = await settledAs('suspended');
      await travel(POLICY.downstreamWindowMs + 5 * MINUTE);
      const seen = await record(claim);
      const answer = await store.decisions.release(claim.operationId, DECISION);
      assert.ok(answer.kind === 'window_passed');
      assert.deepEqual(answer.record, seen);
      assert.deepEqual(await record(claim), seen);
      assert.deepEqual(await store.decisions.decisions(claim.operationId), []);
    },
  },
  {
    title: 'releases nothing that is queued, not suspended or does not exist',
    async run(stage) {
      const { store, running, settledAs, record, request } = stage;
      const others = [await running(), await settledAs('completed'), await settledAs('released')];
      const queued = [await undecided(stage, 'suspended'), await undecided(stage, 'dead')];
      for (const each of [...others, ...queued, await enqueued(stage)]) {
        const seen = await record(each);
        const answer = await store.decisions.release(each.operationId, DECISION);
        assert.ok(answer.kind === 'not_now');
        assert.deepEqual(answer.record, seen);
        assert.deepEqual(await record(each), seen);
      }
      const { operationId } = request();
      assert.deepEqual(await store.decisions.release(operationId, DECISION), { kind: 'absent' });
    },
  },
  {
    title: 'cancels accepted work with an outcome, and erases it',
    async run(stage) {
      const { store, record } = stage;
      const before = await enqueued(stage);
      const { operationId } = before;
      const after = decided(await store.decisions.cancel(operationId, CANCELLED, DECISION));
      const { updatedAt } = after;
      const changed = { state: 'failed', version: 2, updatedAt, outcome: CANCELLED } as const;
      assert.deepEqual(after, { ...before, ...changed, expiresAt: updatedAt + POLICY.ttlMs });
      assert.deepEqual(await record(before), after);
      await assertDecided(stage, before, after, 'cancelled');
      assert.equal(await store.queue.work(operationId), undefined);
      assert.equal((await deliver(store, before)).kind, 'not_now', 'its job comes for nothing');
      assert.equal((await store.decisions.cancel(operationId, CANCELLED, DECISION)).kind, 'not_now');
    },
  },
  {
    title:
      'cancels nothing that is or was running, waits for a decision, is settled, leased or does not exist',
    async run(stage) {
      const { store, running, settledAs, record, request } = stage;
      const tried = await working(stage);
      await store.settle(tried, rescheduled(), WORKER);
      const queued = [
        tried,
        await working(stage),
        await undecided(stage, 'dead'),
        await undecided(stage, 'suspended'),
      ];
      for (const each of [...queued, await running(), await settledAs('released')]) {
        const seen = await record(each);
        const answer = await store.decisions.cancel(each.operationId, CANCELLED, DECISION);
        assert.ok(answer.kind === 'not_now');
        assert.deepEqual(answer.record, seen);
        assert.deepEqual(await record(each), seen);
        assert.deepEqual(await store.decisions.decisions(each.operationId), []);
      }
      const { operationId } = request();
      assert.deepEqual(await store.decisions.cancel(operationId, CANCELLED, DECISION), { kind: 'absent' });
    },
  },
  {
    title: 'either starts or cancels work when both are tried at once',
    async run(stage) {
      const { store, record } = stage;
      for (let round = 0; round < 6; round++) {
        const accepted = await enqueued(stage);
        const [answer, started] = await Promise.all([
          store.decisions.cancel(accepted.operationId, CANCELLED, DECISION),
          deliver(store, accepted),
        ]);
        assert.equal(answer.kind === 'done', started.kind === 'not_now', 'one of them has it');
        assert.equal((await record(accepted)).state, answer.kind === 'done' ? 'failed' : 'processing');
        assert.equal((await store.history(accepted.operationId)).length, 2);
      }
    },
  },
  {
    title: 'keeps every decision about an operation in order, each with who and why',
    async run(stage) {
      const { store } = stage;
      const claim = await undecided(stage, 'dead', { policy: { ...QUEUED, maxAttempts: 1 } });
      const { operationId } = claim;
      const by = (actor: string, reason: string) => ({ actor, reason });
      const send = async () => {};
      decided(
        await store.decisions.redrive(operationId, { grantAttempts: 1 }, send, by('operator:a', 'one')),
      );
      const next = await store.queue.start({ operationId, owner: 'o'.repeat(22), trace: WORKER });
      assert.ok(next.kind === 'started');
      await store.settle(next.claim, exhausted(), WORKER);
      const found = async () => ({ to: 'failed', outcome: CANCELLED }) as const;
      decided(await store.decisions.resolve(operationId, found, by('operator:b', 'ü "two"')));
      const rows = await store.decisions.decisions(operationId);
      assert.deepEqual(
        rows.map(({ at: __, ...row }) => row),
        [
          { operationId, seq: 4, action: 'redriven', ...by('operator:a', 'one') },
          { operationId, seq: 7, action: 'resolved', ...by('operator:b', 'ü "two"') },
        ],
      );
    },
  },
];
