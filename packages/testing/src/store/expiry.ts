import assert from 'node:assert/strict';
import type { Claim } from '@semel/server/store';
import { callAtomically } from './atomic-call.ts';
import type { StoreCase } from './case.ts';
import {
  completed,
  HOUR,
  lost,
  MINUTE,
  outcome,
  POLICY,
  type Stage,
  TRACE,
  times,
  won,
  YEAR,
} from './stage.ts';
import { step } from './steps.ts';

const BEFORE_EXPIRY = POLICY.ttlMs - 3 * MINUTE;
/** Expired, but the grace of 10 minutes has not passed. */
const WITHIN_GRACE = POLICY.ttlMs + 5 * MINUTE;
const AFTER_GRACE = POLICY.ttlMs + 13 * MINUTE;

export const expiryCases: readonly StoreCase[] = [
  {
    title: 'shows an expired record as it is, to lookup and to claim',
    async run({ store, settledAs, again, record, travel }) {
      const claim = await settledAs('completed');
      await travel(AFTER_GRACE);
      assert.equal((await record(claim)).outcome, outcome('done'));
      assert.equal(lost(await store.claim(again(claim))).operationId, claim.operationId);
    },
  },
  {
    title: 'makes a new operation of a settled or released one only after its expiry and the grace',
    async run(stage) {
      for (const state of ['completed', 'failed', 'released'] as const)
        await becomesFreeAfterGrace(stage, await stage.settledAs(state));
    },
  },
  {
    title: 'never makes a new operation of an unsettled one',
    async run({ store, running, settledAs, again, record, travel }) {
      for (const claim of [await running(), await settledAs('suspended')]) {
        await travel(10 * YEAR);
        const before = await record(claim);
        assert.deepEqual(lost(await store.take(again(claim), before, 'expired')), before);
        assert.deepEqual(await record(claim), before);
      }
    },
  },
  {
    title: 'gives the new operation nothing of the old one',
    async run({ store, running, again, record, travel }) {
      const old = await running();
      await store.recordStep(old, step('charge'), TRACE);
      await store.settle(old, completed('old'), TRACE);
      await travel(AFTER_GRACE);
      const asked = again(old, { fingerprint: 'v1:another body', policy: { ...POLICY, onCrash: 'resume' } });
      const fresh = won(await store.take(asked, await record(old), 'expired'));
      const { now, trace: _, ...expected } = { ...asked, now: fresh.now };
      const leaseUntil = now + POLICY.leaseMs;
      const timesOfNow = { createdAt: now, updatedAt: now, firstClaimedAt: now, leaseUntil };
      const whole = { ...expected, state: 'processing', attempt: 1, version: 1, ...timesOfNow };
      assert.deepEqual(await record(old), whole);
      assert.deepEqual(await store.steps(fresh.operationId), []);
      const history = await store.history(fresh.operationId);
      assert.deepEqual(
        history.map(({ seq, from, to, cause }) => [seq, from, to, cause]),
        [[1, null, 'processing', 'claimed']],
      );
      assert.equal(await store.find(old.operationId), undefined);
    },
  },
  {
    title: 'lets no owner of the old operation touch the new one, though their attempts have one number',
    async run({ store, settledAs, again, record, travel }) {
      const old = await settledAs('completed');
      await travel(AFTER_GRACE);
      const fresh = won(await store.take(again(old), await record(old), 'expired'));
      const before = await record(fresh);
      assert.equal((await store.renew([old]))[0]?.renewed, false);
      const by = { state: 'processing', attempt: 1 } as const;
      const late = completed('late');
      assert.deepEqual(await store.settle(old, late, TRACE), { kind: 'overtaken', by });
      assert.equal((await store.recordStep(old, step('late'), TRACE)).kind, 'overtaken');
      assert.deepEqual(await record(fresh), before);
      assert.deepEqual(await store.steps(fresh.operationId), []);
      const rows = [...(await store.rejected(old.operationId)), ...(await store.rejected(fresh.operationId))];
      assert.ok(
        rows.some((row) => row.evidence === late.outcome),
        'the evidence is kept',
      );
    },
  },
  {
    title: 'lets exactly one of many requests have the key that became free',
    async run({ store, settledAs, again, record, travel }) {
      const old = await settledAs('failed');
      await travel(AFTER_GRACE);
      const seen = await record(old);
      const results = await Promise.all(times(16, () => store.take(again(old), seen, 'expired')));
      assert.equal(results.filter((result) => result.won).length, 1);
      const { operationId } = await record(old);
      assert.equal((await store.history(operationId)).length, 1);
    },
  },
  {
    title: 'counts the expiry of a released operation anew once it goes on',
    async run({ store, settledAs, again, record, travel }) {
      const first = await settledAs('released');
      await travel(23 * HOUR);
      const next = won(await store.take(again(first), await record(first), 'claimed'));
      await travel(10 * MINUTE);
      await store.settle(next, completed(), TRACE);
      const { expiresAt, updatedAt } = await record(first);
      assert.equal(expiresAt, updatedAt + POLICY.ttlMs);
      await travel(2 * HOUR);
      const seen = await record(first);
      assert.deepEqual(lost(await store.take(again(first), seen, 'expired')), seen);
    },
  },
  {
    title: 'runs an atomic call anew only after the expiry and the grace',
    needs: ['transactions'],
    async run(stage) {
      const { atomic, again, travel, effects, record } = stage;
      const request = atomic();
      const call = () => callAtomically(stage, { ...atomic({ mayRun: () => true }), ...again(request) });
      await callAtomically(stage, request);
      await travel(WITHIN_GRACE);
      const [early] = await Promise.allSettled([call()]);
      assert.ok(early.status === 'rejected' || early.value.kind === 'existing', 'not settled');
      assert.equal(await effects.count(request.scope + request.key), 1);
      await travel(AFTER_GRACE - WITHIN_GRACE);
      const late = await call();
      assert.ok(late.kind === 'settled');
      const { operationId, attempt, version } = await record(request);
      assert.deepEqual([late.operationId, late.attempt], [operationId, 1]);
      assert.deepEqual([attempt, version], [1, 1]);
      assert.ok(operationId !== request.operationId, 'a new operation');
      assert.equal(await effects.count(request.scope + request.key), 2);
    },
  },
];

async function becomesFreeAfterGrace({ store, again, record, travel }: Stage, claim: Claim): Promise<void> {
  let at = 0;
  for (const early of [BEFORE_EXPIRY, WITHIN_GRACE]) {
    await travel(early - at);
    at = early;
    const seen = await record(claim);
    assert.deepEqual(lost(await store.take(again(claim), seen, 'expired')), seen);
  }
  await travel(AFTER_GRACE - at);
  const asked = again(claim);
  const fresh = won(await store.take(asked, await record(claim), 'expired'));
  assert.deepEqual([fresh.operationId, fresh.attempt], [asked.operationId, 1]);
}
