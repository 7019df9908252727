import assert from 'node:assert/strict';
import type { StoreCase } from './case.ts';
import { withSecond } from './claim.ts';
import { assertRefused } from './refused.ts';
import {
  completed,
  lost,
  MINUTE,
  outcome,
  POLICY,
  RECOVERY,
  RELEASED,
  type Stage,
  TRACE,
  times,
  won,
} from './stage.ts';

export const leaseCases: readonly StoreCase[] = [
  {
    title: 'renews the leases of many operations in one call and answers for each',
    async run({ store, running, settledAs, record, travel }) {
      const running1 = await running();
      const running2 = await running();
      const ended = await settledAs('completed');
      await travel(50 * MINUTE);
      const before = await record(running1);
      const answers = await store.renew([running1, ended, running2]);
      assert.deepEqual(
        Object.fromEntries(answers.map((answer) => [answer.operationId, answer])),
        Object.fromEntries(
          [running1, running2, ended].map(({ operationId }) => [
            operationId,
            { operationId, attempt: 1, renewed: operationId !== ended.operationId },
          ]),
        ),
      );
      const { leaseUntil: _, ...after } = await record(running1);
      const { leaseUntil: old = 0, ...same } = before;
      assert.deepEqual(after, same, 'only the lease has changed');
      for (const claim of [running1, running2]) {
        const { leaseUntil = 0 } = await record(claim);
        assert.ok(leaseUntil > old + 49 * MINUTE - MINUTE, 'the lease counts from the renewal');
      }
      assert.deepEqual(await store.renew([]), []);
    },
  },
  {
    title: 'renews for nobody but the owner of the running attempt',
    async run({ store, running, record }) {
      const claim = await running();
      const before = await record(claim);
      for (const stranger of [
        { ...claim, owner: 'x'.repeat(22) },
        { ...claim, attempt: 2 },
        { ...claim, operationId: 'y'.repeat(22) },
      ])
        assert.deepEqual(
          (await store.renew([stranger])).map((answer) => answer.renewed),
          [false],
        );
      assert.deepEqual(await record(claim), before);
    },
  },
  {
    title: 'refuses a takeover while the lease runs',
    async run({ store, running, again, record, travel }) {
      const claim = await running();
      await travel(POLICY.leaseMs - 5 * MINUTE);
      const seen = await record(claim);
      assert.deepEqual(lost(await store.take(again(claim), seen, 'overtaken')), seen);
      assert.deepEqual(await record(claim), seen);
    },
  },
  {
    title: 'refuses a takeover of what was renewed since it was seen',
    async run({ store, running, again, record, travel }) {
      const claim = await running();
      await travel(POLICY.leaseMs + MINUTE);
      const seen = await record(claim);
      await store.renew([claim]);
      assert.equal(lost(await store.take(again(claim), seen, 'overtaken')).owner, claim.owner);
      assert.equal((await record(claim)).attempt, 1);
    },
  },
  {
    title:
      'gives an operation whose lease ran out to the next attempt, and keeps all that it was claimed under',
    async run({ store, running, again, record, see, travel }) {
      const zombie = await running();
      await travel(POLICY.leaseMs + MINUTE);
      const seen = await record(zombie);
      const successor = again(zombie, { fingerprint: 'v1:another body' });
      const claim = won(await store.take(successor, seen, 'overtaken'));
      const { record: now } = await see(zombie);
      assert.deepEqual(now, {
        ...seen,
        owner: successor.owner,
        attempt: 2,
        version: 2,
        updatedAt: now.updatedAt,
        leaseUntil: now.updatedAt + POLICY.leaseMs,
      });
      const { attempt, operationId, fingerprint, owner, firstClaimedAt } = claim;
      assert.deepEqual(
        { attempt, operationId, fingerprint, owner, firstClaimedAt },
        {
          attempt: 2,
          operationId: zombie.operationId,
          fingerprint: 'v1:first',
          owner: successor.owner,
          firstClaimedAt: seen.firstClaimedAt,
        },
      );
      assert.equal((await store.renew([claim]))[0]?.renewed, true);
    },
  },
  {
    title: 'lets exactly one of many takeovers win',
    async run(stage) {
      await raceToTakeOver(stage, [stage.store]);
    },
  },
  {
    title: 'lets exactly one of many takeovers over two connections win',
    needs: ['second'],
    run: (stage) => withSecond(stage, (second) => raceToTakeOver(stage, [stage.store, second])),
  },
  {
    title: 'wins again for the owner that has taken over already',
    async run({ store, running, again, record, travel }) {
      const zombie = await running();
      await travel(POLICY.leaseMs + MINUTE);
      const seen = await record(zombie);
      const successor = again(zombie);
      const first = won(await store.take(successor, seen, 'overtaken'));
      assert.deepEqual(won(await store.take(successor, seen, 'overtaken')), first);
      assert.deepEqual(won(await store.claim(successor)), first);
      assert.equal((await store.history(zombie.operationId)).length, 2);
    },
  },
  {
    title: 'gives a released operation to the next attempt under its first fingerprint',
    async run({ store, settledAs, again, record }) {
      const first = await settledAs('released');
      const next = again(first, { fingerprint: 'v1:another body' });
      const claim = won(await store.take(next, await record(first), 'claimed'));
      assert.deepEqual([claim.attempt, claim.operationId], [2, first.operationId]);
      const { state, fingerprint, expiresAt, version } = await record(first);
      assert.deepEqual(
        { state, fingerprint, expiresAt, version },
        { state: 'processing', fingerprint: 'v1:first', expiresAt: undefined, version: 3 },
      );
    },
  },
  {
    title: 'refuses to continue what has changed since it was seen',
    async run({ store, settledAs, again, record }) {
      const first = await settledAs('released');
      const seen = await record(first);
      const second = won(await store.take(again(first), seen, 'claimed'));
      await store.settle(second, RELEASED, TRACE);
      assert.equal(lost(await store.take(again(first), seen, 'claimed')).version, 4);
      assert.equal((await record(first)).attempt, 2);
    },
  },
  {
    title: 'continues nothing that is running, settled or waiting for a decision',
    async run({ store, running, settledAs, again, record, travel }) {
      const claims = [await running(), await settledAs('completed'), await settledAs('failed')];
      claims.push(await settledAs('suspended'));
      await travel(5 * MINUTE);
      for (const claim of claims) {
        const seen = await record(claim);
        for (const cause of ['claimed', 'overtaken', 'expired'] as const)
          assert.deepEqual(lost(await store.take(again(claim), seen, cause)), seen);
        assert.deepEqual(await record(claim), seen);
      }
    },
  },
  {
    title: 'refuses what an overtaken owner does late, keeps its outcome as evidence and counts it',
    async run({ store, overtaken, record }) {
      const { zombie, successor } = await overtaken();
      const before = await record(successor);
      assert.equal((await store.renew([zombie]))[0]?.renewed, false);
      const by = { state: 'processing', attempt: 2 } as const;
      const refusal = { by, attemptedState: 'completed', evidence: outcome('charged') } as const;
      await assertRefused(store, zombie, await store.settle(zombie, completed('charged'), TRACE), refusal);
      const repeated = await store.settle(zombie, completed('charged'), TRACE);
      await assertRefused(store, zombie, repeated, { ...refusal, count: 2 });
      assert.equal((await store.settle(zombie, RELEASED, TRACE)).kind, 'overtaken');
      assert.deepEqual(await record(successor), before);
      assert.equal((await store.settle(successor, completed('mine'), TRACE)).kind, 'settled');
    },
  },
  {
    title: 'suspends an orphan only once its lease ran out',
    async run({ store, running, record, travel }) {
      const claim = await running();
      const seen = await record(claim);
      assert.equal((await store.suspendOrphan(seen, RECOVERY)).record.state, 'processing');
      await travel(POLICY.leaseMs + MINUTE);
      const stale = await record(claim);
      await store.renew([claim]);
      assert.equal((await store.suspendOrphan(stale, RECOVERY)).record.state, 'processing');
      await travel(POLICY.leaseMs + MINUTE);
      const orphan = await record(claim);
      const { record: suspended } = await store.suspendOrphan(orphan, RECOVERY);
      const { leaseUntil: _, ...kept } = orphan;
      const { updatedAt } = suspended;
      assert.deepEqual(suspended, { ...kept, state: 'suspended', version: 2, updatedAt });
      assert.deepEqual(await record(claim), suspended);
    },
  },
  {
    title: 'suspends an orphan once, however many ask, and tells each of them',
    async run({ store, running, record, travel }) {
      const claim = await running();
      await travel(POLICY.leaseMs + MINUTE);
      const seen = await record(claim);
      const answers = await Promise.all(times(8, () => store.suspendOrphan(seen, RECOVERY)));
      for (const { record: answer } of answers) assert.equal(answer.state, 'suspended');
      assert.equal((await store.history(claim.operationId)).length, 2);
    },
  },
];

async function raceToTakeOver(stage: Stage, stores: readonly Stage['store'][]): Promise<void> {
  const zombie = await stage.running();
  await stage.travel(POLICY.leaseMs + MINUTE);
  const seen = await stage.record(zombie);
  const results = await Promise.all(
    times(16, (i) => (stores[i % stores.length] ?? stage.store).take(stage.again(zombie), seen, 'overtaken')),
  );
  assert.equal(results.filter((result) => result.won).length, 1);
  assert.equal((await stage.record(zombie)).attempt, 2);
  assert.equal((await stage.store.history(zombie.operationId)).length, 2);
}
