import assert from 'node:assert/strict';
import type { Claim, Settlement } from '@semel/server/store';
import { inTransactions, type StoreCase } from './case.ts';
import { deliver, exhausted, QUEUED, rescheduled, startedClaim, WORK, WORKER, working } from './queued.ts';
import { queuedSweepCases } from './queued-sweeps.ts';
import { completed, failed, HOUR, MINUTE, POLICY, type Stage, SUSPENDED, times } from './stage.ts';

export const queuedEndCases: readonly StoreCase[] = [
  {
    title: 'gives work back for another attempt, due after the delay, with what went wrong',
    async run(stage) {
      const { store, record } = stage;
      const claim = await working(stage);
      const { leaseUntil: _, ...before } = await record(claim);
      const end = rescheduled(2 * HOUR, 'ü "timed out"');
      assert.deepEqual(await store.settle(claim, end, WORKER), { kind: 'settled' });
      const after = await record(claim);
      const { updatedAt } = after;
      assert.deepEqual(after, { ...before, state: 'accepted', version: 3, updatedAt });
      const work = await store.queue.work(claim.operationId);
      const { dueAt = 0, ...kept } = work ?? {};
      assert.deepEqual(kept, { ...WORK, lastError: 'ü "timed out"' });
      assert.ok(Math.abs(dueAt - updatedAt - 2 * HOUR) < MINUTE, 'the delay counts from now');
      const { at: __, ...row } = (await store.history(claim.operationId))[2] ?? { at: 0 };
      const edge = { from: 'processing', to: 'accepted', attempt: 1, cause: 'rescheduled' };
      assert.deepEqual(row, { seq: 3, ...edge, ...WORKER });
    },
  },
  {
    title: 'sets work aside as dead without an expiry, and keeps it with what went wrong',
    async run(stage) {
      const { store, record } = stage;
      const claim = await working(stage);
      await store.settle(claim, rescheduled(0, 'first'), WORKER);
      const last = startedClaim(await deliver(store, claim));
      const { leaseUntil: _, ...before } = await record(claim);
      assert.deepEqual(await store.settle(last, exhausted('last'), WORKER), { kind: 'settled' });
      const after = await record(claim);
      const { updatedAt } = after;
      assert.deepEqual(after, { ...before, state: 'dead', version: 5, updatedAt });
      const { dueAt: __, ...kept } = (await store.queue.work(claim.operationId)) ?? { dueAt: 0 };
      assert.deepEqual(kept, { ...WORK, lastError: 'last' });
      const row = (await store.history(claim.operationId))[4];
      assert.deepEqual([row?.from, row?.to, row?.cause], ['processing', 'dead', 'exhausted']);
    },
  },
  {
    title: 'keeps what went wrong of work that is suspended, and what was said before where nothing is said',
    async run(stage) {
      const { store, record, running } = stage;
      const claim = await working(stage);
      await store.settle(claim, rescheduled(0, 'first'), WORKER);
      const second = startedClaim(await deliver(store, claim));
      const end = { ...SUSPENDED, lastError: 'ü "the answer got lost"' };
      for (const _ of ['first', 'its acknowledgement got lost'])
        assert.deepEqual(await store.settle(second, end, WORKER), { kind: 'settled' });
      const { state, version, attempt } = await record(claim);
      assert.deepEqual([state, version, attempt], ['suspended', 5, 2]);
      assert.equal((await store.queue.work(claim.operationId))?.lastError, 'ü "the answer got lost"');
      const { at: __, ...row } = (await store.history(claim.operationId))[4] ?? { at: 0 };
      const edge = { from: 'processing', to: 'suspended', attempt: 2, cause: 'outcome_unknown' };
      assert.deepEqual(row, { seq: 5, ...edge, ...WORKER });
      assert.equal((await store.settle(claim, end, WORKER)).kind, 'overtaken', 'the first attempt is over');
      const silent = await working(stage);
      await store.settle(silent, rescheduled(0, 'first'), WORKER);
      await store.settle(startedClaim(await deliver(store, silent)), SUSPENDED, WORKER);
      assert.equal((await store.queue.work(silent.operationId))?.lastError, 'first');
      const leased = await running();
      assert.deepEqual(await store.settle(leased, end, WORKER), { kind: 'settled' });
      assert.equal(await store.queue.work(leased.operationId), undefined);
    },
  },
  {
    title: 'gives work an attempt more for one that is not to count',
    async run(stage) {
      const { store, record } = stage;
      const first = await working(stage);
      const { maxAttempts } = (await record(first)).policy;
      const end = { ...rescheduled(), uncounted: true } as const;
      for (const _ of ['first', 'its acknowledgement got lost'])
        assert.deepEqual(await store.settle(first, end, WORKER), { kind: 'settled' });
      assert.equal((await record(first)).policy.maxAttempts, maxAttempts + 1);
      const second = startedClaim(await deliver(store, first));
      assert.equal(second.policy.maxAttempts, maxAttempts + 1);
      await store.settle(second, rescheduled(), WORKER);
      const { attempt, policy } = await record(first);
      assert.deepEqual([attempt, policy.maxAttempts], [2, maxAttempts + 1]);
    },
  },
  {
    title: 'gives the worker the same answer when it ends its attempt the same again',
    async run(stage) {
      const { store, record } = stage;
      for (const end of [rescheduled(HOUR), exhausted(), completed(), SUSPENDED]) {
        const claim = await working(stage);
        const first = await store.settle(claim, end, WORKER);
        const before = [await record(claim), await store.queue.work(claim.operationId)];
        assert.deepEqual(await store.settle(claim, end, WORKER), first);
        assert.deepEqual([await record(claim), await store.queue.work(claim.operationId)], before);
        assert.equal((await store.history(claim.operationId)).length, 3);
        assert.deepEqual(await store.rejected(claim.operationId), []);
      }
    },
  },
  {
    title: 'refuses a worker that ended its attempt and was followed by another',
    async run(stage) {
      const { store, record } = stage;
      const first = await working(stage);
      await store.settle(first, rescheduled(), WORKER);
      const second = startedClaim(await deliver(store, first));
      const by = { state: 'processing', attempt: 2 } as const;
      for (const end of [rescheduled(), exhausted(), completed()])
        assert.deepEqual(await store.settle(first, end, WORKER), { kind: 'overtaken', by });
      assert.equal((await record(first)).owner, second.owner);
    },
  },
  {
    title: 'accepts exactly one of different ends of one attempt at once',
    async run(stage) {
      const { store, record } = stage;
      const claim = await working(stage);
      const ends: Settlement[] = times(4, (i) => [rescheduled(), exhausted(), completed(`${i}`)]).flat();
      const results = await Promise.all(ends.map((end) => store.settle(claim, end, WORKER)));
      const { state, version } = await record(claim);
      assert.equal(version, 3);
      for (const [i, { kind }] of results.entries())
        assert.ok(kind === 'overtaken' || ends[i]?.to === state, 'settled as it stands, or overtaken');
      assert.ok(results.some(({ kind }) => kind === 'settled'));
      assert.equal((await store.queue.work(claim.operationId)) === undefined, state === 'completed');
    },
  },
  {
    title: 'erases the work of what settles, and keeps that of what does not',
    async run(stage) {
      const { store } = stage;
      for (const [end, isKept] of [
        [completed(), false],
        [failed(), false],
        [SUSPENDED, true],
        [exhausted(), true],
        [rescheduled(), true],
      ] as const) {
        const claim = await working(stage);
        await store.settle(claim, end, WORKER);
        assert.equal((await store.queue.work(claim.operationId)) !== undefined, isKept, end.to);
      }
    },
  },
  ...inTransactions([
    {
      title: 'erases the work in the commit that settles it, and not if that is rolled back',
      async run(stage) {
        const { store, effects, options, record } = stage;
        const claim = await working(stage);
        const error = new Error('thrown by the handler');
        const failing = store.transact(claim, () => Promise.reject(error), options);
        await assert.rejects(failing, (thrown) => thrown === error);
        assert.notEqual(await store.queue.work(claim.operationId), undefined);
        const during: unknown[] = [];
        const result = await store.transact(
          claim,
          async (tx) => {
            await effects.write(tx, claim.operationId);
            during.push(await store.queue.work(claim.operationId));
            return { kind: 'settle', settlement: completed('paid'), value: 1 };
          },
          options,
        );
        assert.equal(result.kind, 'committed');
        assert.notEqual(during[0], undefined, 'others see it until the commit');
        assert.equal(await store.queue.work(claim.operationId), undefined);
        assert.equal((await record(claim)).expiresAt !== undefined, true);
        assert.equal(await effects.count(claim.operationId), 1);
      },
    },
    {
      title: 'ends a queued attempt in a transaction of its handler as it does outside',
      async run(stage) {
        const { store, options, record } = stage;
        const { maxAttempts } = QUEUED;
        for (const [settlement, granted] of [
          [{ ...SUSPENDED, lastError: 'lost' }, 0],
          [{ ...rescheduled(0, 'lost'), uncounted: true }, 1],
          [rescheduled(0, 'lost'), 0],
          [exhausted('lost'), 0],
        ] as const) {
          const claim = await working(stage);
          const end = { kind: 'settle', settlement, value: 1 } as const;
          assert.equal((await store.transact(claim, async () => end, options)).kind, 'committed');
          assert.equal((await store.queue.work(claim.operationId))?.lastError, 'lost', settlement.to);
          const { state, policy } = await record(claim);
          assert.deepEqual([state, policy.maxAttempts], [settlement.to, maxAttempts + granted]);
        }
      },
    },
  ]),
  {
    title: 'keeps the last word about progress, of leased attempts too, and shows it once they have ended',
    async run(stage) {
      const { store, running } = stage;
      for (const claim of [await running(), await working(stage)]) {
        assert.equal(await store.queue.progress(claim.operationId), undefined);
        for (const value of ['10 %', '{"ü":"50 %"}'])
          assert.deepEqual(await store.queue.recordProgress(claim, value), { kind: 'recorded' });
        const { at, ...told } = (await store.queue.progress(claim.operationId)) ?? { at: 0 };
        assert.deepEqual(told, { value: '{"ü":"50 %"}', attempt: 1 });
        assert.ok(Math.abs(at - claim.now) < MINUTE);
        await store.settle(claim, completed(), WORKER);
        assert.equal((await store.queue.progress(claim.operationId))?.value, '{"ü":"50 %"}');
      }
    },
  },
  {
    title: 'refuses progress of an attempt that was overtaken, of strangers and once it has ended',
    async run(stage) {
      const { store, travel, record } = stage;
      const zombie = await working(stage);
      await travel(POLICY.leaseMs + MINUTE);
      const claim = startedClaim(await deliver(store, zombie));
      await store.queue.recordProgress(claim, 'mine');
      const before = await record(claim);
      const by = { state: 'processing', attempt: 2 } as const;
      for (const late of [zombie, { ...claim, owner: 'x'.repeat(22) }, { ...claim, attempt: 3 }])
        await refusesProgress(stage, late, { kind: 'overtaken', by });
      assert.deepEqual(await record(claim), before, 'progress is no transition');
      for (const [end, state] of [
        [rescheduled(), 'accepted'],
        [completed(), 'completed'],
      ] as const) {
        const ended = await working(stage);
        await store.queue.recordProgress(ended, 'mine');
        await store.settle(ended, end, WORKER);
        await refusesProgress(stage, ended, { kind: 'overtaken', by: { state, attempt: 1 } });
      }
    },
  },
  {
    title: 'forgets no progress when the next attempt begins, and says whose it is',
    async run(stage) {
      const { store } = stage;
      const first = await working(stage);
      await store.queue.recordProgress(first, 'half');
      await store.settle(first, rescheduled(), WORKER);
      const second = startedClaim(await deliver(store, first));
      assert.equal((await store.queue.progress(first.operationId))?.attempt, 1);
      await store.queue.recordProgress(second, 'all');
      const { value, attempt } = (await store.queue.progress(first.operationId)) ?? {};
      assert.deepEqual([value, attempt], ['all', 2]);
    },
  },
  ...queuedSweepCases,
];

async function refusesProgress({ store }: Stage, late: Claim, answer: unknown): Promise<void> {
  assert.deepEqual(await store.queue.recordProgress(late, 'late'), answer);
  assert.equal((await store.queue.progress(late.operationId))?.value, 'mine');
}
