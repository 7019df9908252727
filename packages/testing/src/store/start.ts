import assert from 'node:assert/strict';
import type { Store } from '@semel/server/store';
import type { StoreCase } from './case.ts';
import { withSecond } from './claim.ts';
import {
  deliver,
  delivery,
  enqueued,
  rescheduled,
  startedClaim,
  undecided,
  WORK,
  WORKER,
  working,
} from './queued.ts';
import { completed, HOUR, MINUTE, POLICY, type Stage, times } from './stage.ts';
import { startOverCases } from './start-over.ts';

export const startCases: readonly StoreCase[] = [
  {
    title: 'starts accepted work as attempt 1 under a lease, and hands out its work',
    async run(stage) {
      const { store, record } = stage;
      const before = await enqueued(stage);
      const asked = delivery(before.operationId);
      const result = await store.queue.start(asked);
      const claim = startedClaim(result);
      const { now, ...fields } = claim;
      assert.deepEqual(result, { kind: 'started', claim, work: WORK, cause: 'started' });
      const { scope, procedure, key, operationId, policy, fingerprint, createdAt } = before;
      const same = { scope, procedure, key, operationId, policy, fingerprint, createdAt };
      assert.deepEqual(fields, { ...same, owner: asked.owner, attempt: 1, firstClaimedAt: now });
      assert.deepEqual(await record(before), {
        ...before,
        state: 'processing',
        attempt: 1,
        version: 2,
        owner: asked.owner,
        updatedAt: now,
        firstClaimedAt: now,
        leaseUntil: now + POLICY.leaseMs,
      });
      const [, row] = await store.history(operationId);
      const edge = { from: 'accepted', to: 'processing', attempt: 1, cause: 'started' };
      assert.deepEqual({ ...row, at: 0 }, { seq: 2, ...edge, at: 0, ...WORKER });
      assert.equal((await store.renew([claim]))[0]?.renewed, true);
    },
  },
  {
    title: 'counts the downstream window from the first start, however long the work had waited',
    async run(stage) {
      const { store, travel, record } = stage;
      const { operationId } = await enqueued(stage);
      await travel(10 * POLICY.downstreamWindowMs);
      const first = startedClaim(await deliver(store, { operationId }));
      assert.ok(Math.abs(first.now - first.firstClaimedAt) < MINUTE);
      await store.settle(first, rescheduled(), WORKER);
      await travel(2 * HOUR);
      const { firstClaimedAt } = await record(first);
      const second = startedClaim(await deliver(store, { operationId }));
      assert.equal(second.firstClaimedAt, firstClaimedAt, 'and not from the second');
      assert.ok(second.now - firstClaimedAt > HOUR);
    },
  },
  {
    title: 'lets exactly one of 16 simultaneous deliveries start',
    run: (stage) => race(stage, [stage.store]),
  },
  {
    title: 'lets exactly one of 16 simultaneous deliveries over two connections start',
    needs: ['second'],
    run: (stage) => withSecond(stage, (second) => race(stage, [stage.store, second])),
  },
  {
    title: 'starts again for the delivery whose answer was lost, and only for that one',
    async run(stage) {
      const { store } = stage;
      const { operationId } = await enqueued(stage);
      const asked = delivery(operationId);
      const first = await store.queue.start(asked);
      assert.deepEqual(await store.queue.start(asked), first);
      assert.equal((await deliver(store, { operationId })).kind, 'not_now');
      assert.equal((await store.history(operationId)).length, 2);
      const claim = startedClaim(first);
      assert.equal((await store.settle(claim, completed(), WORKER)).kind, 'settled');
      assert.equal((await store.queue.start(asked)).kind, 'not_now', 'its attempt has ended');
    },
  },
  {
    title: 'starts nothing that an attempt holds, that is settled or that waits for a decision',
    async run(stage) {
      const { store, record } = stage;
      const settled = await working(stage);
      await store.settle(settled, completed(), WORKER);
      const waiting = [await undecided(stage, 'dead'), await undecided(stage, 'suspended')];
      for (const claim of [await working(stage), settled, ...waiting]) {
        const seen = await record(claim);
        const result = await deliver(store, claim);
        assert.ok(result.kind === 'not_now');
        assert.deepEqual(result.record, seen);
        assert.ok(result.now >= seen.updatedAt);
        assert.deepEqual(await record(claim), seen);
      }
    },
  },
  {
    title: 'knows nothing to start of leased operations and of operations that do not exist',
    async run({ store, running, settledAs, request, travel }) {
      const leased = [await running(), await settledAs('released')];
      await travel(POLICY.leaseMs + MINUTE);
      for (const each of [...leased, request()])
        assert.deepEqual(await deliver(store, each), { kind: 'absent' });
    },
  },
  {
    title: 'starts no work before it is due, whatever job comes, and says when that is',
    async run(stage) {
      const { store, record, travel } = stage;
      const first = await working(stage);
      await store.settle(first, rescheduled(2 * HOUR), WORKER);
      const before = [await record(first), await store.queue.work(first.operationId)];
      const early = await deliver(store, first);
      assert.ok(early.kind === 'early');
      assert.ok(early.dueInMs > HOUR && early.dueInMs <= 2 * HOUR);
      assert.deepEqual([await record(first), await store.queue.work(first.operationId)], before);
      await travel(2 * HOUR - 5 * MINUTE);
      assert.equal((await deliver(store, first)).kind, 'early');
      await travel(10 * MINUTE);
      assert.equal(startedClaim(await deliver(store, first)).attempt, 2);
    },
  },
  ...startOverCases,
];

async function race(stage: Stage, stores: readonly Store[]): Promise<void> {
  for (let round = 0; round < 3; round++) {
    const { operationId } = await enqueued(stage);
    const results = await Promise.all(
      times(16, (i) => deliver(stores[i % stores.length] ?? stage.store, { operationId })),
    );
    const [winner, ...more] = results.filter(({ kind }) => kind === 'started');
    assert.ok(winner !== undefined && more.length === 0, 'one starts');
    const { owner } = startedClaim(winner);
    for (const result of results)
      if (result !== winner) {
        assert.ok(result.kind === 'not_now');
        assert.equal(result.record.owner, owner);
      }
    assert.equal((await stage.store.history(operationId)).length, 2);
  }
}
