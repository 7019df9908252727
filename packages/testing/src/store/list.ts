import assert from 'node:assert/strict';
import type { OperationFilter, OperationPage } from '@semel/server/store';
import type { StoreCase } from './case.ts';
import { DECISION, decided, enqueued, exhausted, undecided, WORKER, working } from './queued.ts';
import { completed, MINUTE, outcome, randomId, type Stage, TRACE } from './stage.ts';

type Listed = OperationPage['operations'][number];

export const listCases: readonly StoreCase[] = [
  {
    title: 'lists operations as they are, with what went wrong and who has to decide',
    async run(stage) {
      const { store, settledAs, record, see } = stage;
      const leased = await settledAs('completed');
      const waits = await enqueued(stage);
      const dead = await working(stage);
      await store.settle(dead, exhausted('gave up'), WORKER);
      const done = await working(stage);
      await store.settle(done, completed(), WORKER);
      const nobodys = await enqueued(stage, { work: { principal: 'user:1', input: '{}' } });
      const all = await listAll(stage, { scope: stage.scope, limit: 100 });
      const deadLetterOwner = 'payments';
      const expected: Listed[] = [
        await record(leased),
        { ...(await record(waits)), deadLetterOwner },
        { ...(await record(dead)), deadLetterOwner, lastError: 'gave up' },
        await record(done),
        await record(nobodys),
      ];
      assert.deepEqual(sorted(all), sorted(expected));
      const { now } = await store.decisions.list({ scope: stage.scope, limit: 1 });
      assert.ok(Math.abs(now - (await see(waits)).now) < MINUTE);
    },
  },
  {
    title: 'lists by state, procedure and scope, and by all of them',
    async run(stage) {
      const { scope, running, settledAs } = stage;
      const procedure = `reports.${randomId()}`;
      const elsewhere = await enqueued(stage, { procedure, scope: `${scope}/x` });
      const waits = await enqueued(stage, { procedure });
      const dead = await undecided(stage, 'dead', { procedure });
      const otherDead = await undecided(stage, 'dead');
      const plain = [await running(), await settledAs('released')];
      const ids = async (filter: Omit<OperationFilter, 'limit'>) =>
        (await listAll(stage, { ...filter, limit: 3 })).map(({ operationId }) => operationId).sort();
      const of = (...records: { operationId: string }[]) => records.map((each) => each.operationId).sort();
      assert.deepEqual(await ids({ procedure }), of(elsewhere, waits, dead));
      assert.deepEqual(await ids({ scope }), of(waits, dead, otherDead, ...plain));
      assert.deepEqual(await ids({ scope, states: ['dead'] }), of(dead, otherDead));
      assert.deepEqual(
        await ids({ scope, states: ['dead', 'processing'] }),
        of(dead, otherDead, ...plain.slice(0, 1)),
      );
      assert.deepEqual(await ids({ scope, procedure, states: ['dead'] }), of(dead));
      assert.deepEqual(await ids({ procedure, states: ['accepted'] }), of(elsewhere, waits));
      assert.deepEqual(await ids({ scope, states: ['failed'] }), []);
      assert.deepEqual(await ids({ scope: `${scope}/` }), []);
      const everyDead = await ids({ states: ['dead'] });
      assert.ok(everyDead.includes(dead.operationId) && !everyDead.includes(waits.operationId));
    },
  },
  {
    title: 'fills each page up to the limit, and says where to go on unless it is the last',
    async run(stage) {
      const { store, scope } = stage;
      for (let i = 0; i < 4; i++) await enqueued(stage);
      const first = await store.decisions.list({ scope, limit: 2 });
      assert.equal(first.operations.length, 2);
      assert.ok(first.next !== undefined);
      const second = await store.decisions.list({ scope, limit: 2, after: first.next });
      assert.equal(second.operations.length, 2);
      assert.equal(second.next, undefined, 'the last page, though it is full');
      const none = await store.decisions.list({ scope: `${scope}:nobody`, limit: 2 });
      assert.deepEqual([none.operations, none.next], [[], undefined]);
    },
  },
  {
    title: 'misses and repeats none that stays while operations change between two pages',
    async run(stage) {
      const { store, scope, running, travel } = stage;
      const records = [];
      for (let i = 0; i < 5; i++) records.push(await enqueued(stage));
      for (let i = 0; i < 3; i++) records.push(await running());
      const seen: Listed[] = [];
      let after: string | undefined;
      for (let calls = 0; ; calls++) {
        assert.ok(calls < 20, 'paging comes to an end');
        const page = await store.decisions.list({ scope, limit: 2, ...(after !== undefined && { after }) });
        seen.push(...page.operations);
        if (page.next === undefined) break;
        after = page.next;
        await changeOne(stage, page.operations[0]);
        await changeOne(stage, records[calls]);
        if (calls < 2) await enqueued(stage);
        await travel(MINUTE);
      }
      const ids = seen.map(({ operationId }) => operationId);
      for (const { operationId } of records)
        assert.equal(ids.filter((id) => id === operationId).length, 1, 'each that stays, once');
    },
  },
];

/** Something happens to it, if anything can. */
async function changeOne({ store }: Stage, operation: { operationId: string } | undefined): Promise<void> {
  const record = operation && (await store.find(operation.operationId))?.record;
  if (record?.state === 'processing') await store.settle({ ...record, now: 0 }, completed(), TRACE);
  if (record?.state === 'accepted')
    decided(await store.decisions.cancel(record.operationId, outcome('cancelled'), DECISION));
}

async function listAll({ store }: Stage, filter: OperationFilter): Promise<Listed[]> {
  const all: Listed[] = [];
  let after: string | undefined;
  for (let calls = 0; calls < 1000; calls++) {
    const page = await store.decisions.list(after === undefined ? filter : { ...filter, after });
    assert.ok(page.operations.length <= filter.limit, 'the limit holds');
    all.push(...page.operations);
    if (page.next === undefined) return all;
    after = page.next;
  }
  return assert.fail('paging comes to an end');
}

const sorted = (records: readonly Listed[]) =>
  [...records].sort((a, b) => (a.operationId < b.operationId ? -1 : 1));
