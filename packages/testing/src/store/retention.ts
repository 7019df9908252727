import assert from 'node:assert/strict';
import type { RecordedPolicy } from '@semel/server/store';
import type { StoreCase } from './case.ts';
import { withSecond } from './claim.ts';
import { assertRefused } from './refused.ts';
import {
  completed,
  HOUR,
  MINUTE,
  outcome,
  POLICY,
  RECOVERY,
  type Stage,
  sweepAll,
  TRACE,
  times,
  YEAR,
} from './stage.ts';
import { step } from './steps.ts';

const ORPHANED = POLICY.leaseMs + 5 * MINUTE;
const RESUME: RecordedPolicy = { ...POLICY, onCrash: 'resume' };

export const retentionCases: readonly StoreCase[] = [
  {
    title: 'deletes what settled or was released once expiry and grace have passed, with steps and history',
    async run({ store, running, settledAs, travel }) {
      const withStep = await running();
      await store.recordStep(withStep, step('charge'), TRACE);
      await store.settle(withStep, completed(), TRACE);
      const gone = [withStep, await settledAs('failed'), await settledAs('released')];
      await travel(POLICY.ttlMs + 13 * MINUTE);
      const changed = await sweepAll(() => store.sweepExpired({ limit: 100 }));
      for (const claim of gone) {
        const { operationId, procedure, scope } = claim;
        assert.deepEqual(
          changed.filter((each) => each.operationId === operationId),
          [{ operationId, procedure, scope }],
        );
        assert.equal(await store.lookup(claim), undefined);
        assert.equal(await store.find(operationId), undefined);
        assert.deepEqual(await store.history(operationId), []);
        assert.deepEqual(await store.steps(operationId), []);
      }
    },
  },
  {
    title: 'keeps what has not expired, and what is within the grace',
    async run({ store, settledAs, travel, record }) {
      const older = await settledAs('completed');
      await travel(2 * HOUR);
      const younger = await settledAs('completed');
      await travel(POLICY.ttlMs - 2 * HOUR + 5 * MINUTE);
      const before = [await record(older), await record(younger)];
      await sweepAll(() => store.sweepExpired({ limit: 100 }));
      assert.deepEqual([await record(older), await record(younger)], before);
    },
  },
  {
    title: 'never deletes an unsettled operation, however old',
    async run({ store, running, settledAs, overtaken, travel, record }) {
      const claims = [await running(), await settledAs('suspended'), (await overtaken()).successor];
      await travel(10 * YEAR);
      const before = await Promise.all(claims.map(record));
      await sweepAll(() => store.sweepExpired({ limit: 100 }));
      assert.deepEqual(await Promise.all(claims.map(record)), before);
    },
  },
  {
    title: 'deletes no more than the limit in one call, and everything in the end',
    async run({ store, settledAs, travel }) {
      const claims = [];
      for (let i = 0; i < 7; i++) claims.push(await settledAs('completed'));
      await travel(POLICY.ttlMs + 13 * MINUTE);
      const changed = await sweepAll(async () => {
        const report = await store.sweepExpired({ limit: 3 });
        assert.ok(report.changed.length <= 3, 'the limit holds');
        return report;
      });
      const ids = changed.map((each) => each.operationId);
      for (const { operationId } of claims) assert.ok(ids.includes(operationId));
    },
  },
  {
    title: 'lets the key of a deleted operation begin anew',
    async run({ store, settledAs, again, travel }) {
      const old = await settledAs('completed');
      await travel(POLICY.ttlMs + 13 * MINUTE);
      await sweepAll(() => store.sweepExpired({ limit: 100 }));
      const fresh = again(old);
      const result = await store.claim(fresh);
      assert.ok(result.won);
      assert.deepEqual([result.claim.operationId, result.claim.attempt], [fresh.operationId, 1]);
      assert.equal((await store.settle(old, completed(), TRACE)).kind, 'overtaken');
    },
  },
  {
    title: 'suspends orphans whose record says so, and leaves the others to the next attempt',
    async run({ store, running, settledAs, record, travel }) {
      const pastWindow = await running({ policy: { ...RESUME, downstreamWindowMs: 30 * MINUTE } });
      const suspends = await running();
      const exhausted = await running({ policy: { ...RESUME, maxAttempts: 1 } });
      const resumes = await running({ policy: RESUME });
      const completedOne = await settledAs('completed');
      const releasedOne = await settledAs('released');
      await travel(ORPHANED);
      const alive = await running();
      const renewed = await running();
      await store.renew([renewed]);
      const changed = await sweepAll(() => store.sweepOrphans({ limit: 100, trace: RECOVERY }));
      const states = async (...claims: { scope: string; procedure: string; key: string }[]) =>
        (await Promise.all(claims.map(record))).map(({ state }) => state);
      assert.deepEqual(await states(pastWindow, suspends, exhausted), [
        'suspended',
        'suspended',
        'suspended',
      ]);
      assert.deepEqual(await states(resumes, alive, renewed), ['processing', 'processing', 'processing']);
      assert.deepEqual(await states(completedOne, releasedOne), ['completed', 'released']);
      const mine = changed.filter(({ scope }) => scope === suspends.scope);
      assert.deepEqual(
        mine.map(({ operationId }) => operationId).sort(),
        [pastWindow, suspends, exhausted].map(({ operationId }) => operationId).sort(),
      );
      const [, row] = await store.history(suspends.operationId);
      assert.deepEqual([row?.cause, row?.actor], ['outcome_unknown', 'recovery']);
      const { leaseUntil, expiresAt } = await record(suspends);
      assert.deepEqual([leaseUntil, expiresAt], [undefined, undefined]);
    },
  },
  {
    title: 'refuses the owner of an orphan that comes back after the sweep',
    async run({ store, running, record, travel }) {
      const claim = await running();
      await travel(ORPHANED);
      await sweepAll(() => store.sweepOrphans({ limit: 100, trace: RECOVERY }));
      await assertRefused(store, claim, await store.settle(claim, completed('back'), TRACE), {
        by: { state: 'suspended', attempt: 1 },
        attemptedState: 'completed',
        evidence: outcome('back'),
      });
      assert.equal((await record(claim)).state, 'suspended');
    },
  },
  {
    title: 'suspends and deletes each operation once when many sweep at once',
    run: (stage) => manySweep(stage, [stage.store]),
  },
  {
    title: 'suspends and deletes each operation once when two servers sweep at once',
    needs: ['second'],
    run: (stage) => withSecond(stage, (second) => manySweep(stage, [stage.store, second])),
  },
];

async function manySweep(stage: Stage, stores: readonly Stage['store'][]): Promise<void> {
  const { store, running, settledAs, travel } = stage;
  const sweepers = times(4, (i) => stores[i % stores.length] ?? store);
  const orphans = [];
  for (let i = 0; i < 9; i++) orphans.push(await running());
  await travel(ORPHANED);
  const suspended = await Promise.all(
    sweepers.map((each) => sweepAll(() => each.sweepOrphans({ limit: 2, trace: RECOVERY }))),
  );
  for (const { operationId } of orphans) {
    assert.equal(suspended.flat().filter((each) => each.operationId === operationId).length, 1);
    assert.equal((await store.history(operationId)).length, 2);
  }

  const settled = [];
  for (let i = 0; i < 9; i++) settled.push(await settledAs('completed'));
  await travel(POLICY.ttlMs + 13 * MINUTE);
  const deleted = await Promise.all(sweepers.map((each) => sweepAll(() => each.sweepExpired({ limit: 2 }))));
  for (const { operationId } of settled)
    assert.equal(deleted.flat().filter((each) => each.operationId === operationId).length, 1);
}
