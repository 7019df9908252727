import assert from 'node:assert/strict';
import { type JournalCase, plain, record } from './case.ts';
import type { JournalPort } from './harness.ts';

/** Attaches a client, and collects what it is told. */
function attach(journal: JournalPort, required = false): unknown[] {
  const errors: unknown[] = [];
  journal.attach?.({ required, report: (error) => errors.push(error) });
  return errors;
}

export const storageCases: readonly JournalCase[] = [
  {
    title: 'shows another page what was claimed, updated and settled',
    needs: ['second'],
    async run({ journal, second }) {
      const [one, other] = [record({ intent: 'pay' }), record()];
      await journal.claim(one);
      await journal.claim(other);
      const later = await second();
      assert.deepEqual(plain(await later.claim(record({ intent: 'pay' }))), plain(one));
      await journal.update({ ...one, state: 'completed' });
      await journal.settle(other);
      assert.deepEqual(plain(await later.list()), [plain({ ...one, state: 'completed' })]);
    },
  },
  {
    title: 'has a claim written down when it answers, not later',
    needs: ['second'],
    async run({ journal, second }) {
      const later = await second();
      await Promise.all([journal.claim(record()), journal.claim(record())]);
      assert.equal((await later.list()).length, 2);
    },
  },
  {
    title: 'lets another page end an action, and begins it anew then',
    needs: ['second'],
    async run({ journal, second }) {
      const first = record({ intent: 'pay' });
      await journal.claim(first);
      await journal.update({ ...first, state: 'completed' });
      const later = await second();
      await later.settle(first);
      const next = record({ intent: 'pay' });
      assert.equal((await journal.claim(next)).key, next.key);
    },
  },
  {
    title: 'goes on in memory when the storage fails, and says so',
    needs: ['break'],
    async run(opened) {
      const { journal } = opened;
      const errors = attach(journal);
      await opened.break();
      const mine = record({ intent: 'pay' });
      assert.equal(await journal.claim(mine), mine);
      assert.ok(errors.length > 0, 'the failure is reported');
      await journal.update({ ...mine, state: 'unknown' });
      assert.equal((await journal.claim(record({ intent: 'pay' }))).key, mine.key);
      assert.deepEqual(
        (await journal.list()).map(({ state }) => state),
        ['unknown'],
      );
      await journal.settle(mine);
      assert.deepEqual(await journal.list(), []);
    },
  },
  {
    title: 'keeps the key of an action that was begun before the storage failed',
    needs: ['break'],
    async run(opened) {
      const { journal } = opened;
      attach(journal);
      const mine = record({ intent: 'pay' });
      await journal.claim(mine);
      await opened.break();
      assert.equal((await journal.claim(record({ intent: 'pay' }))).key, mine.key);
    },
  },
  {
    title: 'refuses to claim what it can’t write down, where that is required',
    needs: ['break'],
    async run(opened) {
      const { journal } = opened;
      attach(journal, true);
      await opened.break();
      await assert.rejects(async () => journal.claim(record()));
      await assert.rejects(async () => journal.claim(record({ intent: 'pay' })));
    },
  },
  {
    title: 'keeps the key of an open action when the storage is cleared under it',
    needs: ['clear'],
    async run({ journal, clear }) {
      attach(journal);
      const mine = record({ intent: 'pay' });
      await journal.claim(mine);
      await clear();
      assert.equal((await journal.claim(record({ intent: 'pay' }))).key, mine.key);
      assert.deepEqual(
        (await journal.list()).map(({ key }) => key),
        [mine.key],
      );
    },
  },
];
