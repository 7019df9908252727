import assert from 'node:assert/strict';
import type { TransactionEnd } from '@semel/server/store';
import { inTransactions, type StoreCase } from './case.ts';
import { assertRefused } from './refused.ts';
import { completed, MINUTE, outcome, POLICY, type Stage, TRACE, times, won } from './stage.ts';
import { step } from './steps.ts';

const recorded = (name: string): TransactionEnd<string> => ({
  kind: 'step',
  step: { ...step(name), kind: 'transaction' },
  value: `value of ${name}`,
});
const settled = (value: string): TransactionEnd<string> => ({
  kind: 'settle',
  settlement: completed(value),
  value: `value of ${value}`,
});

const cases: readonly StoreCase[] = [
  {
    title: 'commits a body together with its recovery point',
    async run({ store, running, effects, options, record }) {
      const claim = await running();
      const result = await store.transact(
        claim,
        async (tx) => {
          await effects.write(tx, claim.operationId);
          return recorded('ledger');
        },
        options,
      );
      assert.deepEqual(result, { kind: 'committed', value: 'value of ledger' });
      assert.equal(await effects.count(claim.operationId), 1);
      assert.deepEqual(await store.steps(claim.operationId), [{ ...step('ledger'), kind: 'transaction' }]);
      assert.equal((await record(claim)).version, 1);
    },
  },
  {
    title: 'commits a body together with the settlement',
    async run({ store, running, effects, options, record }) {
      const claim = await running();
      const result = await store.transact(
        claim,
        async (tx) => {
          await effects.write(tx, claim.operationId);
          return settled('paid');
        },
        options,
      );
      const { state, outcome: stored, expiresAt } = await record(claim);
      assert.deepEqual({ state, stored }, { state: 'completed', stored: outcome('paid') });
      assert.deepEqual(result, { kind: 'committed', value: 'value of paid', expiresAt });
      assert.equal(await effects.count(claim.operationId), 1);
    },
  },
  {
    title: 'rolls everything back when the body throws, and throws the same error',
    async run({ store, running, effects, options, record }) {
      const claim = await running();
      const before = await record(claim);
      const thrown = new Error('thrown by the body');
      const failing = store.transact(
        claim,
        async (tx) => {
          await effects.write(tx, claim.operationId);
          throw thrown;
        },
        options,
      );
      await assert.rejects(failing, (error) => error === thrown);
      assert.equal(await effects.count(claim.operationId), 0);
      assert.deepEqual(await record(claim), before);
      assert.deepEqual(await store.steps(claim.operationId), []);
      assert.equal((await store.settle(claim, completed(), TRACE)).kind, 'settled');
    },
  },
  {
    title: 'rolls back the effects of an owner that was overtaken before its transaction',
    async run(stage) {
      const { zombie } = await stage.overtaken();
      await assertRolledBack(stage, zombie, async () => {});
    },
  },
  {
    title: 'rolls back the effects of an owner that is overtaken during its transaction',
    async run(stage) {
      const zombie = await stage.running();
      await stage.travel(POLICY.leaseMs + MINUTE);
      const seen = await stage.record(zombie);
      await assertRolledBack(stage, zombie, async () => {
        won(await stage.store.take(stage.again(zombie), seen, 'overtaken'));
      });
    },
  },
  {
    title: 'rolls back the settling transaction of an overtaken owner and keeps its outcome as evidence',
    async run({ store, overtaken, effects, options, record }) {
      const { zombie, successor } = await overtaken();
      const before = await record(successor);
      const result = await store.transact(
        zombie,
        async (tx) => {
          await effects.write(tx, zombie.operationId);
          return settled('charged');
        },
        options,
      );
      await assertRefused(store, zombie, result, {
        by: { state: 'processing', attempt: 2 },
        attemptedState: 'completed',
        evidence: outcome('charged'),
      });
      assert.equal(await effects.count(zombie.operationId), 0);
      assert.deepEqual(await record(successor), before);
    },
  },
  {
    title: 'commits transactions of one attempt that run at the same time',
    async run({ store, running, effects, options }) {
      const claim = await running();
      const results = await Promise.all(
        times(4, (i) =>
          store.transact(
            claim,
            async (tx) => {
              await effects.write(tx, `${claim.operationId}:${i}`);
              return recorded(`step ${i}`);
            },
            options,
          ),
        ),
      );
      for (const { kind } of results) assert.equal(kind, 'committed');
      for (const i of [0, 1, 2, 3]) assert.equal(await effects.count(`${claim.operationId}:${i}`), 1);
      assert.equal((await store.steps(claim.operationId)).length, 4);
    },
  },
  {
    title: 'commits at most one of two settling transactions',
    async run({ store, running, effects, options, record }) {
      const claim = await running();
      await Promise.allSettled(
        times(2, (i) =>
          store.transact(
            claim,
            async (tx) => {
              await effects.write(tx, claim.operationId);
              return settled(`answer ${i}`);
            },
            options,
          ),
        ),
      );
      assert.equal(await effects.count(claim.operationId), 1);
      assert.equal((await record(claim)).version, 2);
    },
  },
  {
    title: 'commits nothing of a transaction that failed inside, though the body swallowed the error',
    needs: ['breakTransaction'],
    async run({ store, running, effects, options, breakTransaction, record }) {
      const claim = await running();
      const broken = store.transact(
        claim,
        async (tx) => {
          await effects.write(tx, claim.operationId);
          await breakTransaction(tx);
          return settled('not really');
        },
        options,
      );
      await assert.rejects(broken);
      assert.equal(await effects.count(claim.operationId), 0);
      assert.equal((await record(claim)).state, 'processing');
    },
  },
  {
    title: "tells a body that commits behind the store's back, and settles nothing",
    needs: ['commitBehindTheBack'],
    async run({ store, running, effects, options, commitBehindTheBack, record }) {
      const claim = await running();
      const sneaky = store.transact(
        claim,
        async (tx) => {
          await effects.write(tx, claim.operationId);
          await commitBehindTheBack(tx);
          return settled('sneaked');
        },
        options,
      );
      await assert.rejects(sneaky);
      assert.equal((await record(claim)).state, 'processing');
    },
  },
];

export const transactCases = inTransactions(cases);

async function assertRolledBack(
  { store, effects, options }: Stage,
  zombie: Parameters<Stage['store']['transact']>[0],
  meanwhile: () => Promise<void>,
): Promise<void> {
  const result = await store.transact(
    zombie,
    async (tx) => {
      await effects.write(tx, zombie.operationId);
      await meanwhile();
      return recorded('ledger');
    },
    options,
  );
  await assertRefused(store, zombie, result, {
    by: { state: 'processing', attempt: 2 },
    attemptedState: 'step',
    evidence: outcome('ledger'),
  });
  assert.equal(await effects.count(zombie.operationId), 0);
  assert.deepEqual(await store.steps(zombie.operationId), []);
}
