import assert from 'node:assert/strict';
import type { StepRecord } from '@semel/server/store';
import type { StoreCase } from './case.ts';
import { assertRefused } from './refused.ts';
import { outcome, RELEASED, TRACE, times, won } from './stage.ts';

export const step = (name: string, result = outcome(name), attempt = 1): StepRecord => ({
  name,
  kind: 'step',
  fingerprint: `v1:${name}`,
  result,
  attempt,
});

const byName = (steps: readonly StepRecord[]) => Object.fromEntries(steps.map((each) => [each.name, each]));

export const stepCases: readonly StoreCase[] = [
  {
    title: 'returns recovery points whole, each by its name',
    async run({ store, running }) {
      const claim = await running();
      assert.deepEqual(await store.steps(claim.operationId), []);
      const ledger: StepRecord = { ...step('ledger'), kind: 'transaction', fingerprint: '' };
      const recorded = [step('charge', outcome('ü 漢 "\\')), ledger, step('a step with spaces')];
      for (const each of recorded)
        assert.deepEqual(await store.recordStep(claim, each, TRACE), { kind: 'recorded' });
      const found = await store.steps(claim.operationId);
      assert.equal(found.length, 3);
      assert.deepEqual(byName(found), byName(recorded));
    },
  },
  {
    title: 'keeps the first result of a name that the same attempt records again',
    async run({ store, running }) {
      const claim = await running();
      await store.recordStep(claim, step('charge', outcome('first')), TRACE);
      const second = await store.recordStep(claim, step('charge', outcome('second')), TRACE);
      assert.deepEqual(second, { kind: 'recorded' });
      assert.deepEqual(await store.steps(claim.operationId), [step('charge', outcome('first'))]);
    },
  },
  {
    title: 'keeps recovery points for the attempts after a release and after a takeover',
    async run({ store, overtaken, again, record, running }) {
      const claim = await running();
      await store.recordStep(claim, step('charge'), TRACE);
      await store.settle(claim, RELEASED, TRACE);
      const next = won(await store.take(again(claim), await record(claim), 'claimed'));
      await store.recordStep(next, step('mail', outcome('sent'), 2), TRACE);
      assert.deepEqual(
        byName(await store.steps(claim.operationId)),
        byName([step('charge'), step('mail', outcome('sent'), 2)]),
      );
      const { successor } = await overtaken();
      assert.deepEqual(await store.steps(successor.operationId), []);
    },
  },
  {
    title: 'refuses the recovery points of an overtaken owner and keeps each as evidence',
    async run({ store, overtaken }) {
      const { zombie } = await overtaken();
      const by = { state: 'processing', attempt: 2 } as const;
      for (const name of ['charge', 'mail']) {
        const refusal = { by, attemptedState: 'step', evidence: outcome(name) } as const;
        await assertRefused(store, zombie, await store.recordStep(zombie, step(name), TRACE), refusal);
      }
      await store.recordStep(zombie, step('charge'), TRACE);
      const rows = await store.rejected(zombie.operationId);
      assert.deepEqual(Object.fromEntries(rows.map((row) => [row.evidence, row.count])), {
        [outcome('charge')]: 2,
        [outcome('mail')]: 1,
      });
      assert.deepEqual(await store.steps(zombie.operationId), []);
    },
  },
  {
    title: 'refuses a recovery point from another owner and once the attempt has ended',
    async run({ store, running, settledAs }) {
      const claim = await running();
      const stranger = { ...claim, owner: 'x'.repeat(22) };
      assert.equal((await store.recordStep(stranger, step('charge'), TRACE)).kind, 'overtaken');
      assert.deepEqual(await store.steps(claim.operationId), []);
      for (const state of ['completed', 'failed', 'released', 'suspended'] as const) {
        const ended = await settledAs(state);
        const result = await store.recordStep(ended, step('late'), TRACE);
        assert.deepEqual(result, { kind: 'overtaken', by: { state, attempt: 1 } });
        assert.deepEqual(await store.steps(ended.operationId), []);
      }
    },
  },
  {
    title: 'records one name once when an attempt records it many times at once',
    async run({ store, running }) {
      const claim = await running();
      const results = await Promise.all(
        times(8, (i) => store.recordStep(claim, step('charge', outcome(`result ${i}`)), TRACE)),
      );
      for (const { kind } of results) assert.equal(kind, 'recorded');
      assert.equal((await store.steps(claim.operationId)).length, 1);
    },
  },
];
