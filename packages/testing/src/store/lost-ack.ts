import assert from 'node:assert/strict';
import type { TransactionEnd } from '@semel/server/store';
import { callAtomically } from './atomic-call.ts';
import type { StoreCase } from './case.ts';
import { completed, MINUTE, outcome, POLICY, RELEASED, TRACE, won } from './stage.ts';
import { step } from './steps.ts';

class AnswerLost extends Error {}

/** The call reached the store and was carried out; only its answer never came back. */
async function loseAnswer(call: Promise<unknown>): Promise<void> {
  const losing = call.then(() => {
    throw new AnswerLost('the connection broke after the write');
  });
  await assert.rejects(losing, AnswerLost);
}

export const lostAckCases: readonly StoreCase[] = [
  {
    title: 'gives a claim whose answer was lost to the same request again',
    async run({ store, request, again }) {
      const asked = request();
      await loseAnswer(store.claim(asked));
      const claim = won(await store.claim(asked));
      assert.deepEqual([claim.attempt, claim.operationId], [1, asked.operationId]);
      assert.equal((await store.claim(again(asked))).won, false);
      assert.equal((await store.settle(claim, completed(), TRACE)).kind, 'settled');
    },
  },
  {
    title: 'gives a takeover whose answer was lost to the same request again',
    async run({ store, running, settledAs, again, record, travel }) {
      for (const [claim, cause, ms] of [
        [await running(), 'overtaken', POLICY.leaseMs + MINUTE],
        [await settledAs('released'), 'claimed', 0],
        [await settledAs('completed'), 'expired', POLICY.ttlMs + 13 * MINUTE],
      ] as const) {
        await travel(ms);
        const seen = await record(claim);
        const asked = again(claim);
        await loseAnswer(store.take(asked, seen, cause));
        const next = won(await store.take(asked, seen, cause));
        assert.deepEqual([next.attempt, next.owner], [cause === 'expired' ? 1 : 2, asked.owner]);
        assert.equal((await record(claim)).attempt, next.attempt);
      }
    },
  },
  {
    title: 'settles again for the owner whose answer was lost',
    async run({ store, running, record }) {
      for (const settlement of [completed('once'), RELEASED]) {
        const claim = await running();
        await loseAnswer(store.settle(claim, settlement, TRACE));
        const { expiresAt, version } = await record(claim);
        assert.deepEqual(await store.settle(claim, settlement, TRACE), { kind: 'settled', expiresAt });
        assert.equal((await record(claim)).version, version);
      }
    },
  },
  {
    title: 'records a step again for the owner whose answer was lost',
    async run({ store, running }) {
      const claim = await running();
      await loseAnswer(store.recordStep(claim, step('charge'), TRACE));
      assert.deepEqual(await store.recordStep(claim, step('charge'), TRACE), { kind: 'recorded' });
      assert.deepEqual(await store.steps(claim.operationId), [step('charge')]);
    },
  },
  {
    title: 'keeps the effects of a transaction once when its answer was lost and its owner runs it again',
    needs: ['transactions'],
    async run({ store, running, effects, options, record }) {
      const stepping = await running();
      const settling = await running();
      const stepEnd: TransactionEnd<number> = { kind: 'step', step: step('ledger'), value: 1 };
      const settleEnd: TransactionEnd<number> = { kind: 'settle', settlement: completed('paid'), value: 1 };
      for (const [claim, end] of [
        [stepping, stepEnd],
        [settling, settleEnd],
      ] as const) {
        const run = () =>
          store.transact(
            claim,
            async (tx) => {
              await effects.write(tx, claim.operationId);
              return end;
            },
            options,
          );
        await loseAnswer(run());
        await Promise.allSettled([run()]);
        assert.equal(await effects.count(claim.operationId), 1);
      }
      assert.deepEqual(await store.steps(stepping.operationId), [step('ledger')]);
      assert.equal((await record(settling)).outcome, outcome('paid'));
    },
  },
  {
    title: 'shows an atomic call whose answer was lost its own record when it asks again',
    needs: ['transactions'],
    async run(stage) {
      const request = stage.atomic();
      await loseAnswer(callAtomically(stage, request));
      const answer = await callAtomically(stage, request);
      assert.ok(answer.kind === 'existing');
      assert.deepEqual([answer.record.owner, answer.record.outcome], [request.owner, outcome('paid')]);
      assert.equal(await stage.effects.count(request.scope + request.key), 1);
    },
  },
];
