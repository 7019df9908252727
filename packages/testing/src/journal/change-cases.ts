import assert from 'node:assert/strict';
import { type JournalCase, plain, record } from './case.ts';

export const changeCases: readonly JournalCase[] = [
  {
    title: 'replaces a record',
    async run({ journal }) {
      const mine = record({ intent: 'pay', input: { sku: 'tea' } });
      await journal.claim(mine);
      const { input: _, ...rest } = mine;
      await journal.update({ ...rest, attempts: 1, state: 'completed' });
      assert.deepEqual(plain(await journal.list()), [plain({ ...rest, attempts: 1, state: 'completed' })]);
    },
  },
  {
    title: 'updates nothing that isn’t there',
    async run({ journal }) {
      await journal.update(record());
      assert.deepEqual(await journal.list(), []);
    },
  },
  {
    title: 'updates nothing that is there with another key: a later action of the same intent',
    async run({ journal }) {
      const first = record({ intent: 'pay' });
      await journal.claim(first);
      await journal.settle(first);
      const next = record({ intent: 'pay' });
      await journal.claim(next);
      await journal.update({ ...first, state: 'unknown' });
      assert.deepEqual(plain(await journal.list()), [plain(next)]);
    },
  },
  {
    title: 'leaves what is completed as it is: a page that gave up may write late',
    async run({ journal }) {
      const done = record({ intent: 'pay', state: 'completed' });
      await journal.claim(record({ intent: 'pay', key: done.key }));
      await journal.update(done);
      await journal.update({ ...done, state: 'unknown' });
      assert.deepEqual(plain(await journal.list()), [plain(done)]);
      await journal.settle(done);
      assert.deepEqual(await journal.list(), []);
    },
  },
  {
    title: 'takes a settled record out, and doesn’t bring it back',
    async run({ journal }) {
      const [one, other] = [record(), record()];
      await journal.claim(one);
      await journal.claim(other);
      await journal.settle(one);
      await journal.update({ ...one, attempts: 3 });
      assert.deepEqual(
        (await journal.list()).map(({ key }) => key),
        [other.key],
      );
    },
  },
  {
    title: 'settles nothing that is there with another key',
    async run({ journal }) {
      const mine = record({ intent: 'pay' });
      await journal.claim(mine);
      await journal.settle(record({ intent: 'pay' }));
      assert.equal((await journal.list()).length, 1);
    },
  },
  {
    title: 'does what it is told in order, awaited or not',
    async run({ journal }) {
      const mine = record();
      await journal.claim(mine);
      void journal.update({ ...mine, attempts: 1 });
      void journal.update({ ...mine, attempts: 2 });
      await journal.update({ ...mine, attempts: 3 });
      assert.equal((await journal.list())[0]?.attempts, 3);
      void journal.update({ ...mine, attempts: 4 });
      await journal.settle(mine);
      assert.deepEqual(await journal.list(), []);
    },
  },
  {
    title: 'lists everybody’s records, oldest first',
    async run({ journal }) {
      const all = ['alice', 'bob', 'alice', 'carol'].map((scope) => record({ scope }));
      for (const each of all) await journal.claim(each);
      assert.deepEqual(
        (await journal.list()).map(({ key }) => key),
        all.map(({ key }) => key),
      );
    },
  },
  {
    title: 'keeps every member, whatever text it holds',
    async run({ journal }) {
      const mine = record({
        intent: 'naïve "quoted" \\ ../../etc ☃ 😀 %00',
        deployment: 'https://api.example/v1?a=b#c',
        input: { lines: [{ sku: 'tea', n: 2, at: null }], note: '</script>\n' },
      });
      await journal.claim(mine);
      assert.deepEqual(plain(await journal.list()), [plain(mine)]);
      assert.deepEqual(plain(await journal.claim({ ...mine, key: 'other' })), plain(mine));
    },
  },
];
