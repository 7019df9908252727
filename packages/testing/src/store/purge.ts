import assert from 'node:assert/strict';
import {
  PURGED_FINGERPRINT,
  type PurgeReport,
  type PurgeSelection,
  purgedOutcome,
} from '@semel/server/store';
import type { StoreCase } from './case.ts';
import { withSecond } from './claim.ts';
import {
  completed,
  failed,
  MINUTE,
  outcome,
  POLICY,
  type Stage,
  sweepAll,
  TRACE,
  times,
  won,
} from './stage.ts';
import { step } from './steps.ts';

const OPERATOR = { actor: 'operator:alice', traceId: 'trace-purge' } as const;
const REASON = 'ticket 4711';

/** Purges until everything was looked at. */
async function purgeAll(
  store: Stage['store'],
  select: PurgeSelection,
  limit = 100,
): Promise<{ purged: string[]; unsettled: string[] }> {
  const purged: string[] = [];
  const unsettled: string[] = [];
  let after: string | undefined;
  for (let calls = 0; ; calls++) {
    assert.ok(calls < 1000, 'a purge comes to an end');
    const asked = { select, limit, trace: OPERATOR, reason: REASON };
    const report: PurgeReport = await store.purge(after === undefined ? asked : { ...asked, after });
    const { length } = [...report.purged, ...report.purgedBefore, ...report.unsettled];
    assert.ok(length <= limit, 'the limit holds');
    purged.push(...report.purged);
    unsettled.push(...report.unsettled);
    if (report.next === undefined) return { purged, unsettled };
    after = report.next;
  }
}

async function settledIn(stage: Stage, scope: string) {
  const claim = await stage.running({ scope });
  await stage.store.settle(claim, completed(`answer for ${scope}`), TRACE);
  return claim;
}

export const purgeCases: readonly StoreCase[] = [
  {
    title: 'erases outcome, fingerprint and recovery points of a settled operation, and nothing else of it',
    async run({ store, running, record }) {
      for (const settlement of [completed(), failed()]) {
        const claim = await running();
        await store.recordStep(claim, step('charge'), TRACE);
        await store.settle(claim, settlement, TRACE);
        const before = await record(claim);
        const history = await store.history(claim.operationId);
        assert.deepEqual(await purgeAll(store, { operationId: claim.operationId }), {
          purged: [claim.operationId],
          unsettled: [],
        });
        const erased = { outcome: purgedOutcome(settlement.to), fingerprint: PURGED_FINGERPRINT };
        assert.deepEqual(await record(claim), { ...before, ...erased });
        assert.deepEqual(await store.steps(claim.operationId), []);
        assert.deepEqual(await store.history(claim.operationId), history);
      }
    },
  },
  {
    title: 'keeps who purged an operation, when and why, also when it has expired and is gone',
    async run({ store, settledAs, see, travel }) {
      const claim = await settledAs('completed');
      assert.equal(await store.purged(claim.operationId), undefined);
      const { now } = await see(claim);
      await purgeAll(store, { operationId: claim.operationId });
      const kept = await store.purged(claim.operationId);
      assert.ok(kept !== undefined && kept.at >= now);
      const { at: _, ...told } = kept;
      assert.deepEqual(told, { operationId: claim.operationId, ...OPERATOR, reason: REASON });
      await travel(POLICY.ttlMs + 13 * MINUTE);
      await sweepAll(() => store.sweepExpired({ limit: 100 }));
      assert.equal(await store.find(claim.operationId), undefined);
      assert.equal((await store.purged(claim.operationId))?.reason, REASON);
    },
  },
  {
    title: 'leaves unsettled operations alone, and names them',
    async run(stage) {
      const { store, running, settledAs, record } = stage;
      const processing = await running();
      await store.recordStep(processing, step('charge'), TRACE);
      const claims = [processing, await settledAs('released'), await settledAs('suspended')];
      const before = await Promise.all(claims.map(record));
      const { purged, unsettled } = await purgeAll(store, { scope: stage.scope });
      assert.deepEqual(purged, []);
      assert.deepEqual(unsettled.sort(), claims.map(({ operationId }) => operationId).sort());
      assert.deepEqual(await Promise.all(claims.map(record)), before);
      assert.equal((await store.steps(processing.operationId)).length, 1);
      for (const { operationId } of claims) {
        assert.deepEqual(await purgeAll(store, { operationId }), { purged: [], unsettled: [operationId] });
        assert.equal(await store.purged(operationId), undefined);
      }
      // What was running meanwhile goes on as if nothing had been.
      assert.equal((await store.settle(processing, completed('later'), TRACE)).kind, 'settled');
      assert.equal((await record(processing)).outcome, outcome('later'));
    },
  },
  {
    title: 'purges a scope and no neighbour, whatever the names look like',
    async run(stage) {
      const { store, scope, record } = stage;
      const a = `${scope}:a`;
      const others = [
        scope,
        `${scope}:`,
        `${a}/b`,
        `${a}b`,
        `${a} `,
        `${scope}:A`,
        `${scope}:%`,
        `${scope}_a`,
      ];
      const mine = [await settledIn(stage, a), await settledIn(stage, a)];
      const neighbours = await Promise.all(others.map((name) => settledIn(stage, name)));
      const before = await Promise.all(neighbours.map(record));
      const { purged } = await purgeAll(store, { scope: a });
      assert.deepEqual(purged.sort(), mine.map(({ operationId }) => operationId).sort());
      assert.deepEqual(await Promise.all(neighbours.map(record)), before);
    },
  },
  {
    title: 'purges what begins with a prefix, character by character, and nothing that only looks so',
    async run(stage) {
      const { store, scope, record } = stage;
      const prefix = `${scope}:1:a/`;
      const inside = ['', 'x', '%', 'ü漢😀', '\u{10ffff}', '/'].map((rest) => prefix + rest);
      const outside = [
        `${scope}:1:a`,
        `${scope}:1:ab/`,
        `${scope}:2:a/`,
        `${scope}:1:A/`,
        `${scope}:1:a0`,
        `${scope}_1:a/`,
      ];
      const mine = await Promise.all(inside.map((name) => settledIn(stage, name)));
      const neighbours = await Promise.all(outside.map((name) => settledIn(stage, name)));
      const before = await Promise.all(neighbours.map(record));
      const { purged } = await purgeAll(store, { scopePrefix: prefix }, 2);
      assert.deepEqual(purged.sort(), mine.map(({ operationId }) => operationId).sort());
      assert.deepEqual(await Promise.all(neighbours.map(record)), before);
      const wild = await purgeAll(store, { scopePrefix: `${scope}:%` });
      assert.deepEqual(wild, { purged: [], unsettled: [] });
    },
  },
  {
    title: 'looks at no more than the limit in one call, and at everything in the end',
    async run(stage) {
      const { store, settledAs, running } = stage;
      const settled = [];
      for (let i = 0; i < 6; i++) settled.push(await settledAs('completed'));
      const open = await running();
      const report = await store.purge({
        select: { scope: stage.scope },
        limit: 3,
        trace: OPERATOR,
        reason: REASON,
      });
      assert.equal(report.purged.length + report.unsettled.length, 3);
      assert.notEqual(report.next, undefined);
      const { purged, unsettled } = await purgeAll(store, { scope: stage.scope }, 3);
      assert.deepEqual(
        [...report.purged, ...purged].sort(),
        settled.map(({ operationId }) => operationId).sort(),
      );
      assert.deepEqual(unsettled, [open.operationId]);
    },
  },
  {
    title: 'purges each operation once when many purge at once',
    run: (stage) => manyPurge(stage, [stage.store]),
  },
  {
    title: 'purges each operation once when two servers purge at once',
    needs: ['second'],
    run: (stage) => withSecond(stage, (second) => manyPurge(stage, [stage.store, second])),
  },
  {
    title: 'a purged operation stays settled: it can not be claimed, taken or settled otherwise',
    async run({ store, settledAs, again, record }) {
      const claim = await settledAs('completed');
      await purgeAll(store, { operationId: claim.operationId });
      const purged = await record(claim);
      assert.equal((await store.claim(again(claim))).won, false);
      assert.equal((await store.take(again(claim), purged, 'expired')).won, false);
      assert.equal((await store.settle(claim, failed(), TRACE)).kind, 'overtaken');
      assert.deepEqual(await record(claim), purged);
    },
  },
  {
    title: 'knows the owner whose settlement was purged before its acknowledgement arrived',
    async run({ store, settledAs, record }) {
      const claim = await settledAs('completed');
      await purgeAll(store, { operationId: claim.operationId });
      assert.equal((await store.settle(claim, completed(), TRACE)).kind, 'settled');
      assert.equal((await record(claim)).outcome, purgedOutcome('completed'));
      assert.deepEqual(await store.rejected(claim.operationId), []);
    },
  },
  {
    title: 'erases what late owners brought, also what they bring after the purge, and keeps that they came',
    async run({ store, overtaken }) {
      const { zombie, successor } = await overtaken();
      const { operationId } = successor;
      await store.settle(successor, completed(), TRACE);
      for (const late of ['one', 'two']) await store.settle(zombie, completed(late), TRACE);
      await purgeAll(store, { operationId });
      const afterFirst = await store.rejected(operationId);
      assert.deepEqual(
        [afterFirst.map(({ evidence }) => evidence).filter((e) => e !== undefined), count(afterFirst)],
        [[], 2],
      );
      await store.settle(zombie, completed('three'), TRACE);
      await purgeAll(store, { operationId });
      const afterSecond = await store.rejected(operationId);
      assert.deepEqual(
        [afterSecond.map(({ evidence }) => evidence).filter((e) => e !== undefined), count(afterSecond)],
        [[], 3],
      );
    },
  },
  {
    title: 'names what had been purged before, so that whoever keeps copies can be told again',
    async run(stage) {
      const { store, settledAs } = stage;
      const [before, now] = [await settledAs('completed'), await settledAs('failed')];
      const unsettled = await settledAs('released');
      const select = { scope: stage.scope };
      await purgeAll(store, { operationId: before.operationId });
      const reports = [];
      for (const limit of [100, 100]) {
        const { next: _, ...report } = await store.purge({ select, limit, trace: OPERATOR, reason: REASON });
        reports.push(report);
      }
      const [first, second] = reports;
      const left = [unsettled.operationId];
      assert.deepEqual(first, {
        ...{ purged: [now.operationId], purgedBefore: [before.operationId], unsettled: left },
      });
      assert.deepEqual([second?.purged, second?.unsettled], [[], left]);
      assert.deepEqual(
        [...(second?.purgedBefore ?? [])].sort(),
        [before.operationId, now.operationId].sort(),
      );
      const one = { operationId: now.operationId };
      const again = await store.purge({ select: one, limit: 1, trace: OPERATOR, reason: REASON });
      assert.deepEqual(again.purgedBefore, [now.operationId]);
    },
  },
  {
    title: 'lets the key of a purged operation begin anew once expiry and grace have passed',
    async run({ store, settledAs, again, record, travel }) {
      const old = await settledAs('completed');
      await purgeAll(store, { operationId: old.operationId });
      await travel(POLICY.ttlMs + 13 * MINUTE);
      const fresh = again(old);
      const claim = won(await store.take(fresh, await record(old), 'expired'));
      assert.deepEqual([claim.operationId, claim.attempt], [fresh.operationId, 1]);
      const { fingerprint, outcome: none } = await record(fresh);
      assert.deepEqual([fingerprint, none], [fresh.fingerprint, undefined]);
    },
  },
  {
    title: 'loses nothing of what is claimed and settled while a scope is purged',
    async run(stage) {
      const { store, running } = stage;
      const work = times(6, async (i) => {
        const claim = await running();
        await store.settle(claim, completed(`answer ${i}`), TRACE);
        return claim;
      });
      const [claims] = await Promise.all([
        Promise.all(work),
        ...times(3, () => purgeAll(store, { scope: stage.scope }, 2)),
      ]);
      for (const [i, claim] of claims.entries()) {
        const record = await stage.record(claim);
        assert.equal(record.state, 'completed');
        const purged = (await store.purged(claim.operationId)) !== undefined;
        assert.equal(record.outcome, purged ? purgedOutcome('completed') : outcome(`answer ${i}`));
      }
    },
  },
  {
    title: 'purges nothing where nothing matches',
    async run({ store, scope, request }) {
      const nothing = { purged: [], unsettled: [] };
      assert.deepEqual(await purgeAll(store, { scope: `${scope}:nobody` }), nothing);
      assert.deepEqual(await purgeAll(store, { scopePrefix: `${scope}:nobody` }), nothing);
      assert.deepEqual(await purgeAll(store, { operationId: request().operationId }), nothing);
    },
  },
];

const count = (rows: readonly { readonly count: number }[]): number =>
  rows.reduce((sum, row) => sum + row.count, 0);

async function manyPurge(stage: Stage, stores: readonly Stage['store'][]): Promise<void> {
  const settled = [];
  for (let i = 0; i < 9; i++) settled.push(await stage.settledAs('completed'));
  const reports = await Promise.all(
    times(4, (i) => purgeAll(stores[i % stores.length] ?? stage.store, { scope: stage.scope }, 2)),
  );
  const purged = reports.flatMap((report) => report.purged);
  assert.deepEqual(purged.sort(), settled.map(({ operationId }) => operationId).sort());
}
