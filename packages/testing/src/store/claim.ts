import assert from 'node:assert/strict';
import type { ClaimResult, Store } from '@semel/server/store';
import type { StoreCase } from './case.ts';
import { lost, MINUTE, POLICY, RELEASED, type Stage, TRACE, times, won } from './stage.ts';
import { watchForTornRecords } from './torn-records.ts';

export const claimCases: readonly StoreCase[] = [
  {
    title: 'knows nothing of an identity that nobody claimed',
    async run({ store, request }) {
      assert.equal(await store.lookup(request()), undefined);
      assert.equal(await store.find(request().operationId), undefined);
    },
  },
  {
    title: 'gives a new identity to its claimant as attempt 1, and records the whole request',
    async run({ store, request, see }) {
      const asked = request({ key: `"quoted",;\\${'k'.repeat(200)}`, procedure: 'zahlung.öffnen' });
      const claim = won(await store.claim(asked));
      const { record, now } = await see(asked);
      const { trace: _, ...expected } = asked;
      assert.deepEqual(record, {
        ...expected,
        state: 'processing',
        attempt: 1,
        version: 1,
        createdAt: claim.now,
        updatedAt: claim.now,
        firstClaimedAt: claim.now,
        leaseUntil: claim.now + POLICY.leaseMs,
      });
      assert.ok(claim.now <= now && now < claim.now + MINUTE, 'times are of one clock');
      const { now: __, ...identity } = claim;
      const fields = { attempt: 1, createdAt: claim.now, firstClaimedAt: claim.now };
      assert.deepEqual(identity, { ...expected, ...fields });
      assert.deepEqual((await store.find(asked.operationId))?.record, record);
    },
  },
  {
    title: 'lets exactly one of 32 simultaneous claims win',
    run: (stage) => race(stage, [stage.store]),
  },
  {
    title: 'lets exactly one of 32 simultaneous claims over two connections win',
    needs: ['second'],
    run: (stage) => withSecond(stage, (second) => race(stage, [stage.store, second])),
  },
  {
    title: 'wins again for the owner that holds the record',
    async run({ store, request }) {
      const asked = request();
      const first = won(await store.claim(asked));
      assert.deepEqual(won(await store.claim(asked)), first);
      assert.equal((await store.history(first.operationId)).length, 1);
    },
  },
  {
    title: 'gives nothing back to an owner whose attempt has ended',
    async run({ store, request }) {
      const asked = request();
      await store.settle(won(await store.claim(asked)), RELEASED, TRACE);
      assert.equal(lost(await store.claim(asked)).state, 'released');
    },
  },
  {
    title: 'leaves the record untouched by a claim that loses',
    async run({ store, running, again, record }) {
      const claim = await running();
      const before = await record(claim);
      const policy = { ...POLICY, onCrash: 'resume', leaseMs: 1 } as const;
      assert.deepEqual(lost(await store.claim(again(claim, { fingerprint: 'v1:other', policy }))), before);
      assert.deepEqual(await record(claim), before);
    },
  },
  {
    title: 'keeps identities apart wherever scope, procedure and key begin',
    async run({ store, running, scope, record }) {
      const parts = [
        { scope: `${scope}a`, procedure: 'b', key: 'c' },
        { scope: `${scope}`, procedure: 'ab', key: 'c' },
        { scope: `${scope}`, procedure: 'a', key: 'bc' },
        { scope: `${scope}:a`, procedure: 'b', key: 'c' },
        { scope: `${scope}`, procedure: 'a:b', key: 'c' },
        { scope: `${scope}`, procedure: 'a', key: 'b:c' },
        { scope: `${scope}`, procedure: 'A', key: 'bc' },
      ];
      const claims = [];
      for (const part of parts) claims.push(await running(part));
      for (const [i, part] of parts.entries())
        assert.equal((await record(part)).operationId, claims[i]?.operationId);
      assert.equal((await store.lookup({ scope, procedure: 'b', key: 'c' }))?.record, undefined);
    },
  },
  {
    title: 'shows nobody a record that is half one state and half another',
    run: (stage) => watchForTornRecords(stage, [stage.store]),
  },
  {
    title: 'shows no other connection a record that is half one state and half another',
    needs: ['second'],
    run: (stage) => withSecond(stage, (second) => watchForTornRecords(stage, [stage.store, second])),
  },
];

export async function withSecond(stage: Stage, use: (second: Store) => Promise<void>): Promise<void> {
  const second = await stage.second();
  assert.ok(second, 'the harness opens a second view');
  try {
    await use(second);
  } finally {
    await second.close();
  }
}

async function race({ request, again, store }: Stage, stores: readonly Store[]): Promise<void> {
  for (const first of times(4, () => request())) {
    const results: ClaimResult[] = await Promise.all(
      times(32, (i) => (stores[i % stores.length] ?? store).claim(again(first))),
    );
    const winners = results.filter((result) => result.won);
    assert.equal(winners.length, 1, 'one wins');
    const winner = won(winners[0] as ClaimResult);
    for (const result of results) {
      if (result.won) continue;
      assert.equal(result.record.owner, winner.owner);
      assert.equal(result.record.operationId, winner.operationId);
      assert.equal(result.record.leaseUntil, winner.now + POLICY.leaseMs);
    }
    assert.equal((await store.history(winner.operationId)).length, 1);
  }
}
