import assert from 'node:assert/strict';
import type { OperationRecord, Store } from '@semel/server/store';
import { inTransactions, type StoreCase } from './case.ts';
import { withSecond } from './claim.ts';
import { DECISION, decided, enqueued, undecided, WORKER, working } from './queued.ts';
import { COMPLETED } from './resolve.ts';
import {
  completed,
  HOUR,
  MINUTE,
  RECOVERY,
  type Stage,
  SUSPENDED,
  sweepAll,
  TRACE,
  times,
  won,
} from './stage.ts';

export const offerCases: readonly StoreCase[] = [
  {
    title: 'offers what waits for a decision, as it is, and nothing else',
    async run(stage) {
      const { store, record, settledAs, running } = stage;
      const waiting = [
        await undecided(stage, 'dead'),
        await undecided(stage, 'suspended'),
        await settledAs('suspended'),
      ];
      await running();
      await settledAs('released');
      await enqueued(stage);
      await store.settle(await working(stage), completed(), WORKER);
      const expected = await Promise.all(waiting.map(record));
      const offered = await offerAll(stage);
      assert.deepEqual(sorted(offered), sorted(expected));
      assert.deepEqual(await Promise.all(waiting.map(record)), expected, 'an offer is no transition');
    },
  },
  {
    title: 'offers again only when the time between two offers has passed, and not once it was decided',
    async run(stage) {
      const { store, travel } = stage;
      const [stays, goes] = [await undecided(stage, 'dead'), await undecided(stage, 'suspended')];
      assert.equal((await offerAll(stage)).length, 2);
      assert.deepEqual(await offerAll(stage), []);
      await travel(HOUR - 5 * MINUTE);
      assert.deepEqual(await offerAll(stage), []);
      decided(await store.decisions.resolve(goes.operationId, async () => COMPLETED, DECISION));
      await travel(10 * MINUTE);
      assert.deepEqual(ids(await offerAll(stage)), [stays.operationId]);
      assert.deepEqual(await offerAll(stage), []);
    },
  },
  {
    title: 'says when an operation was last offered, as long as it waits for that decision',
    async run(stage) {
      const { store, travel } = stage;
      const { operationId } = await undecided(stage, 'dead');
      const offered = async () => (await store.decisions.undecided(operationId))?.offeredAt;
      const ago = async () => ((await store.find(operationId))?.now ?? 0) - ((await offered()) ?? 0);
      assert.equal(await offered(), undefined);
      await offerAll(stage);
      assert.ok((await ago()) < MINUTE, 'just now');
      await travel(2 * HOUR);
      assert.ok((await ago()) > HOUR, 'it is kept');
      await offerAll(stage);
      assert.ok((await ago()) < MINUTE, 'the last time');
      decided(await store.decisions.resolve(operationId, async () => COMPLETED, DECISION));
      assert.equal(await offered(), undefined);
      assert.equal(await store.decisions.undecided('nobody'), undefined);
    },
  },
  {
    title: 'keeps what the attempt said that made it wait, whatever its mode, and no longer than it waits',
    async run(stage) {
      const { store, running, record, scope } = stage;
      const word = 'ü "the answer got lost"';
      const suspended = { ...SUSPENDED, lastError: word };
      const [leased, queued] = [await running(), await working(stage)];
      for (const claim of [leased, queued])
        for (const _ of ['first', 'its acknowledgement got lost'])
          assert.equal((await store.settle(claim, suspended, WORKER)).kind, 'settled');
      const said = new Map([
        [leased.operationId, word],
        [queued.operationId, word],
        [(await undecided(stage, 'dead')).operationId, 'gave up'],
        [(await undecided(stage, 'suspended')).operationId, undefined],
      ]);
      const { operations } = await store.decisions.list({ scope, states: ['suspended', 'dead'], limit: 10 });
      assert.deepEqual(new Map(operations.map((each) => [each.operationId, each.lastError])), said);
      for (const [operationId, lastError] of said) {
        const known = lastError === undefined ? {} : { lastError };
        assert.deepEqual(await store.decisions.undecided(operationId), known);
      }
      decided(await store.decisions.release(leased.operationId, DECISION));
      assert.equal(await store.decisions.undecided(leased.operationId), undefined);
      const again = won(await store.take(stage.again(leased), await record(leased), 'claimed'));
      await store.settle(again, SUSPENDED, TRACE);
      assert.deepEqual(await store.decisions.undecided(leased.operationId), {}, 'that was another attempt');
    },
  },
  ...inTransactions([
    {
      title: 'keeps what was said by an attempt that is suspended in a transaction of its handler',
      async run({ store, running, options }) {
        const claim = await running();
        const settlement = { ...SUSPENDED, lastError: 'lost' };
        const end = { kind: 'settle', settlement, value: 1 } as const;
        assert.equal((await store.transact(claim, async () => end, options)).kind, 'committed');
        assert.deepEqual(await store.decisions.undecided(claim.operationId), { lastError: 'lost' });
      },
    },
  ]),
  {
    title: 'takes the word of an attempt that recovery has suspended meanwhile, once',
    async run({ store, running, travel }) {
      const claim = await running();
      await travel(2 * HOUR);
      await sweepAll(() => store.sweepOrphans({ limit: 100, trace: RECOVERY }));
      for (const lastError of ['the provider is away', 'another word'])
        assert.equal((await store.settle(claim, { ...SUSPENDED, lastError }, WORKER)).kind, 'settled');
      assert.deepEqual(await store.decisions.undecided(claim.operationId), {
        lastError: 'the provider is away',
      });
    },
  },
  {
    title: 'keeps the words of many that are suspended at once, and settles the others beside them',
    async run(stage) {
      const { store, running, record } = stage;
      const claims = await Promise.all(times(12, () => running()));
      await Promise.all(
        claims.map((claim, i) =>
          store.settle(claim, i % 3 ? { ...SUSPENDED, lastError: `word ${i}` } : completed(), WORKER),
        ),
      );
      for (const [i, claim] of claims.entries()) {
        assert.equal((await record(claim)).state, i % 3 ? 'suspended' : 'completed');
        const known = await store.decisions.undecided(claim.operationId);
        assert.deepEqual(known, i % 3 ? { lastError: `word ${i}` } : undefined);
      }
    },
  },
  {
    title: 'offers an orphan that recovery suspended',
    async run(stage) {
      const { store, running, travel } = stage;
      const claim = await running();
      await travel(2 * HOUR);
      await sweepAll(() => store.sweepOrphans({ limit: 100, trace: RECOVERY }));
      assert.deepEqual(ids(await offerAll(stage)), [claim.operationId]);
    },
  },
  {
    title: 'offers the oldest first, and no more than the limit',
    async run(stage) {
      const { store, travel } = stage;
      await offerAll(stage);
      const waiting: string[] = [];
      for (let i = 0; i < 5; i++) {
        waiting.push((await undecided(stage, i % 2 ? 'dead' : 'suspended')).operationId);
        await travel(5 * MINUTE);
      }
      const twoHours = 2 * HOUR;
      const first = await store.decisions.offer({ limit: 2, everyMs: twoHours });
      const second = await store.decisions.offer({ limit: 2, everyMs: twoHours });
      assert.deepEqual([ids(first), ids(second)], [waiting.slice(0, 2), waiting.slice(2, 4)]);
      assert.deepEqual(ids(await store.decisions.offer({ limit: 2, everyMs: twoHours })), waiting.slice(4));
    },
  },
  {
    title: 'offers operations of the named procedures alone, and keeps the others for who can decide',
    async run(stage) {
      const { store, scope } = stage;
      const [known, unknown] = [`known.${scope}`, `unknown.${scope}`];
      const mine = await undecided(stage, 'dead', { procedure: known });
      const others = [
        await undecided(stage, 'dead', { procedure: unknown }),
        await undecided(stage, 'suspended', { procedure: unknown }),
      ];
      const offer = (...procedures: string[]) =>
        store.decisions.offer({ limit: 100, everyMs: HOUR, procedures });
      assert.deepEqual(ids(await offer(known)), [mine.operationId]);
      assert.deepEqual(await offer(known), []);
      assert.deepEqual(await offer(), []);
      for (const { operationId } of others)
        assert.equal(
          (await store.decisions.undecided(operationId))?.offeredAt,
          undefined,
          'nobody was asked',
        );
      assert.deepEqual(
        ids(await offer(known, unknown)).sort(),
        others.map(({ operationId }) => operationId).sort(),
      );
    },
  },
  {
    title: 'offers each to one of many that ask at once',
    run: (stage) => race(stage, [stage.store]),
  },
  {
    title: 'offers each to one of many over two connections',
    needs: ['second'],
    run: (stage) => withSecond(stage, (second) => race(stage, [stage.store, second])),
  },
];

const ids = (records: readonly OperationRecord[]) => records.map(({ operationId }) => operationId);
const sorted = (records: readonly OperationRecord[]) =>
  [...records].sort((a, b) => (a.operationId < b.operationId ? -1 : 1));

/** Offers until nothing is left; this stage's own, because other cases may have left some. */
async function offerAll({ store, scope }: Pick<Stage, 'store' | 'scope'>): Promise<OperationRecord[]> {
  const mine: OperationRecord[] = [];
  for (let calls = 0; ; calls++) {
    assert.ok(calls < 1000, 'offers come to an end');
    const offered = await store.decisions.offer({ limit: 100, everyMs: HOUR });
    if (offered.length === 0) return mine;
    mine.push(...offered.filter((each) => each.scope === scope));
  }
}

async function race(stage: Stage, stores: readonly Store[]): Promise<void> {
  const { store, scope } = stage;
  const waiting: string[] = [];
  for (let i = 0; i < 9; i++)
    waiting.push((await undecided(stage, i % 2 ? 'dead' : 'suspended')).operationId);
  const taken: OperationRecord[][] = await Promise.all(
    times(6, async (i) => {
      const asking = stores[i % stores.length] ?? store;
      const mine: OperationRecord[] = [];
      for (let round = 0; round < 5; round++)
        mine.push(...(await asking.decisions.offer({ limit: 3, everyMs: HOUR })));
      return mine;
    }),
  );
  const rest = await offerAll(stage);
  const mine = [...taken.flat(), ...rest].filter((each) => each.scope === scope);
  assert.deepEqual(ids(mine).sort(), waiting.sort(), 'each once');
}
