import assert from 'node:assert/strict';
import type { StoreCase } from './case.ts';
import { assertRefused } from './refused.ts';
import {
  completed,
  failed,
  MINUTE,
  outcome,
  POLICY,
  RELEASED,
  type Stage,
  SUSPENDED,
  TRACE,
  times,
} from './stage.ts';

export const settleCases: readonly StoreCase[] = [
  {
    title: 'stores the outcome of a success and expires it after the ttl',
    run: (stage) => settles(stage, completed('paid')),
  },
  {
    title: 'stores the outcome of a final failure and expires it after the ttl',
    run: (stage) => settles(stage, failed('card declined')),
  },
  {
    title: 'releases an operation without an outcome and expires it after the ttl',
    run: (stage) => settles(stage, RELEASED),
  },
  {
    title: 'suspends an operation without an outcome and without an expiry',
    run: (stage) => settles(stage, SUSPENDED),
  },
  {
    title: 'stores a large outcome byte for byte',
    async run({ store, running, record }) {
      const claim = await running();
      const large = outcome(`${'a'.repeat(300_000)} ü 漢 🂡 \\ " '`);
      await store.settle(claim, { to: 'completed', cause: 'succeeded', outcome: large }, TRACE);
      assert.equal((await record(claim)).outcome, large);
    },
  },
  {
    title: 'gives the owner the same answer when it settles the same again',
    async run({ store, running, record }) {
      const released = await running();
      for (const [claim, settlement] of [
        [await running(), completed('once')],
        [await running(), failed('once')],
        [released, RELEASED],
      ] as const) {
        const first = await store.settle(claim, settlement, TRACE);
        const before = await record(claim);
        assert.deepEqual(await store.settle(claim, settlement, TRACE), first);
        assert.deepEqual(await record(claim), before);
        assert.equal((await store.history(claim.operationId)).length, 2);
        assert.deepEqual(await store.rejected(claim.operationId), []);
      }
    },
  },
  {
    title: 'refuses to settle a settled operation otherwise, and keeps what it has',
    async run({ store, running, record }) {
      const claim = await running();
      await store.settle(claim, completed('first'), TRACE);
      const before = await record(claim);
      await assertRefused(store, claim, await store.settle(claim, failed('second'), TRACE), {
        by: { state: 'completed', attempt: 1 },
        attemptedState: 'failed',
        evidence: outcome('second'),
      });
      assert.equal((await store.settle(claim, RELEASED, TRACE)).kind, 'overtaken');
      assert.equal((await store.settle(claim, completed('third'), TRACE)).kind, 'overtaken');
      assert.deepEqual(await record(claim), before);
    },
  },
  {
    title: 'refuses another owner in the same attempt',
    async run({ store, running, record }) {
      const claim = await running();
      const stranger = { ...claim, owner: 'x'.repeat(22) };
      await assertRefused(store, claim, await store.settle(stranger, completed('stranger'), TRACE), {
        by: { state: 'processing', attempt: 1 },
        attemptedState: 'completed',
        evidence: outcome('stranger'),
      });
      assert.equal((await record(claim)).state, 'processing');
    },
  },
  {
    title: 'refuses an attempt that was never claimed',
    async run({ store, running, record }) {
      const claim = await running();
      const result = await store.settle({ ...claim, attempt: 2 }, completed(), TRACE);
      assert.deepEqual(result, { kind: 'overtaken', by: { state: 'processing', attempt: 1 } });
      assert.equal((await record(claim)).state, 'processing');
    },
  },
  {
    title: 'lets an owner settle whose lease ran out, as long as nobody took over',
    async run({ store, running, record, travel }) {
      const claim = await running();
      await travel(POLICY.leaseMs + MINUTE);
      assert.equal((await store.settle(claim, completed('late but mine'), TRACE)).kind, 'settled');
      assert.equal((await record(claim)).outcome, outcome('late but mine'));
    },
  },
  {
    title: 'accepts exactly one of many different settlements at once',
    async run({ store, running, record }) {
      const claim = await running();
      const results = await Promise.all(
        times(12, (i) => store.settle(claim, completed(`answer ${i}`), TRACE)),
      );
      const { outcome: stored } = await record(claim);
      const winner = times(12, (i) => outcome(`answer ${i}`)).indexOf(stored ?? '');
      const told = results.map(({ kind }) => kind);
      assert.deepEqual(
        told,
        times(12, (i) => (i === winner ? 'settled' : 'overtaken')),
      );
      assert.equal((await store.history(claim.operationId)).length, 2);
    },
  },
];

async function settles(
  { store, running, see }: Stage,
  settlement: Parameters<Stage['store']['settle']>[1],
): Promise<void> {
  const claim = await running();
  const before = await see(claim);
  const result = await store.settle(claim, settlement, TRACE);
  const { record } = await see(claim);
  const expiresAt = record.updatedAt + POLICY.ttlMs;
  const { leaseUntil: _, ...kept } = before.record;
  assert.deepEqual(record, {
    ...kept,
    state: settlement.to,
    version: 2,
    updatedAt: record.updatedAt,
    ...('outcome' in settlement && { outcome: settlement.outcome }),
    ...(settlement.to !== 'suspended' && { expiresAt }),
  });
  assert.deepEqual(
    result,
    settlement.to === 'suspended' ? { kind: 'settled' } : { kind: 'settled', expiresAt },
  );
  assert.ok(before.now <= record.updatedAt && record.updatedAt < before.now + MINUTE);
}
