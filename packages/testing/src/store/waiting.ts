import assert from 'node:assert/strict';
import type { Backlog, Store, Stranded } from '@semel/server/store';
import type { StoreCase } from './case.ts';
import {
  deliver,
  enqueued,
  QUEUED,
  rescheduled,
  startedClaim,
  undecided,
  WORKER,
  working,
} from './queued.ts';
import {
  completed,
  HOUR,
  MINUTE,
  POLICY,
  randomId,
  type Stage,
  SUSPENDED,
  TRACE,
  times,
  YEAR,
} from './stage.ts';

const GRACE_MS = 10 * MINUTE;
const MANY = 10_000;

export const waitingCases: readonly StoreCase[] = [
  {
    title: 'lists accepted work as stranded once it has been due for the grace, and not before',
    async run(stage) {
      const { store, travel } = stage;
      const waits = await enqueued(stage);
      const later = await working(stage);
      await store.settle(later, rescheduled(2 * HOUR), WORKER);
      assert.deepEqual(await stranded(stage), []);
      await travel(GRACE_MS - 5 * MINUTE);
      assert.deepEqual(await stranded(stage), []);
      await travel(10 * MINUTE);
      const { operationId, scope, procedure } = waits;
      const { dueAt } = (await store.queue.work(operationId)) ?? {};
      assert.deepEqual(await stranded(stage), [
        { operationId, scope, procedure, state: 'accepted', version: 1, dueAt },
      ]);
      await travel(2 * HOUR);
      const before = await stage.record(waits);
      assert.deepEqual(
        (await stranded(stage)).map(({ operationId: id, version }) => [id, version]),
        [
          [operationId, 1],
          [later.operationId, 3],
        ],
      );
      assert.deepEqual(await stage.record(waits), before, 'it reads only');
    },
  },
  {
    title: 'lists queued work as stranded whose lease ran out and whose record lets the next attempt go on',
    async run(stage) {
      const { store, travel } = stage;
      const policies = [
        QUEUED,
        { ...QUEUED, maxAttempts: 1 },
        { ...QUEUED, onCrash: 'suspend' },
        { ...QUEUED, downstreamWindowMs: 30 * MINUTE },
      ] as const;
      const [resumes] = await Promise.all(policies.map((policy) => working(stage, { policy })));
      assert.ok(resumes);
      await stage.running({ policy: { ...POLICY, onCrash: 'resume' } });
      const renewed = await working(stage);
      await travel(POLICY.leaseMs - 5 * MINUTE);
      assert.deepEqual(await stranded(stage), []);
      await store.renew([renewed]);
      await travel(10 * MINUTE);
      const { operationId, scope, procedure } = resumes;
      const { dueAt } = (await store.queue.work(operationId)) ?? {};
      assert.deepEqual(await stranded(stage), [
        { operationId, scope, procedure, state: 'processing', version: 2, dueAt },
      ]);
      startedClaim(await deliver(store, resumes));
      assert.deepEqual(await stranded(stage), []);
    },
  },
  {
    title: 'lists nothing as stranded that is settled or waits for a decision',
    async run(stage) {
      const { store, travel } = stage;
      await store.settle(await working(stage), completed(), WORKER);
      await undecided(stage, 'dead');
      await undecided(stage, 'suspended');
      await travel(YEAR);
      assert.deepEqual(await stranded(stage), []);
    },
  },
  {
    title: 'lists what has been due longest first, and no more than the limit',
    async run(stage) {
      const { store, travel } = stage;
      const ids: string[] = [];
      for (let i = 0; i < 4; i++) {
        ids.push((await enqueued(stage)).operationId);
        await travel(20 * MINUTE);
      }
      assert.deepEqual(
        (await stranded(stage)).map(({ operationId }) => operationId),
        ids,
      );
      const all = await store.queue.stranded({ limit: MANY, graceMs: GRACE_MS });
      assert.equal((await store.queue.stranded({ limit: 2, graceMs: GRACE_MS })).length, 2);
      assert.deepEqual((await store.queue.stranded({ limit: 1, graceMs: GRACE_MS }))[0], all[0]);
    },
  },
  {
    title: 'walks what is stranded by pages, and misses and repeats none while others change in between',
    async run(stage) {
      const { store, travel, scope } = stage;
      // Of a clock that stands still: all are due in the same moment.
      const [first, second, third, fourth, fifth] = await Promise.all(times(5, () => enqueued(stage)));
      assert.ok(first && second && third && fourth && fifth);
      await travel(HOUR);
      const met: string[] = [];
      let after: Stranded | undefined;
      for (let page = 0; ; page++) {
        assert.ok(page < 10_000, 'a walk comes to an end');
        const found: readonly Stranded[] = await store.queue.stranded({ limit: 1, graceMs: GRACE_MS, after });
        after = found[0];
        if (after === undefined) break;
        if (after.scope !== scope) continue;
        met.push(after.operationId);
        // What was met leaves or comes later: a cursor that counted rows would pass by the next ones.
        if (met.length === 1) {
          await store.settle(startedClaim(await deliver(store, after)), completed(), WORKER);
          await enqueued(stage);
        }
        if (met.length === 2)
          await store.settle(startedClaim(await deliver(store, after)), rescheduled(YEAR), WORKER);
      }
      const ids = [first, second, third, fourth, fifth].map(({ operationId }) => operationId);
      assert.deepEqual(met.toSorted(), ids.sort());
    },
  },
  {
    title: 'counts what waits by procedure and state, with how long the oldest has waited',
    async run(stage) {
      const { store, travel } = stage;
      const procedure = `reports.${randomId()}`;
      assert.deepEqual(await lines(store, procedure), {});
      await enqueued(stage, { procedure });
      const worked = await working(stage, { procedure });
      await undecided(stage, 'dead', { procedure });
      await undecided(stage, 'suspended', { procedure });
      await travel(2 * HOUR);
      await enqueued(stage, { procedure });
      await working(stage, { procedure });
      await undecided(stage, 'dead', { procedure });
      await store.settle(await stage.running({ procedure }), SUSPENDED, TRACE);
      await store.settle(await stage.running({ procedure }), completed(), TRACE);
      await stage.running({ procedure });
      const all = { accepted: 2, processing: 2, suspended: 2, dead: 2 };
      assert.deepEqual(counts(await lines(store, procedure)), all);
      for (const { oldestMs } of Object.values(await lines(store, procedure)))
        assert.ok(oldestMs >= 2 * HOUR && oldestMs < 2 * HOUR + 5 * MINUTE);
      await store.settle(worked, completed(), WORKER);
      const { processing } = await lines(store, procedure);
      assert.equal(processing?.count, 1);
      assert.ok(processing.oldestMs < 5 * MINUTE, 'that of the other one');
      const other = `reports.${randomId()}`;
      await enqueued(stage, { procedure: other });
      assert.deepEqual(counts(await lines(store, other)), { accepted: 1 });
    },
  },
  {
    title: 'says that work which is not due yet has waited for no time',
    async run(stage) {
      const { store, travel } = stage;
      const procedure = `reports.${randomId()}`;
      const claim = await working(stage, { procedure });
      await store.settle(claim, rescheduled(2 * HOUR), WORKER);
      assert.equal((await lines(store, procedure)).accepted?.oldestMs, 0);
      await travel(3 * HOUR);
      const waited = (await lines(store, procedure)).accepted?.oldestMs ?? 0;
      assert.ok(waited >= HOUR && waited < HOUR + 5 * MINUTE);
    },
  },
];

/** This stage's own: other cases may have left work behind. */
async function stranded({ store, scope }: Stage) {
  const all = await store.queue.stranded({ limit: MANY, graceMs: GRACE_MS });
  return all.filter((each) => each.scope === scope);
}

async function lines(store: Store, procedure: string): Promise<Partial<Record<Backlog['state'], Backlog>>> {
  const mine = (await store.queue.backlog()).filter((line) => line.procedure === procedure);
  const byState = Object.fromEntries(mine.map((line) => [line.state, line]));
  assert.equal(Object.keys(byState).length, mine.length, 'one line for each state');
  return byState;
}

function counts(byState: Partial<Record<Backlog['state'], Backlog>>) {
  return Object.fromEntries(Object.entries(byState).map(([state, line]) => [state, line.count]));
}
