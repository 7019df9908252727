import assert from 'node:assert/strict';
import { type JournalCase, plain, record } from './case.ts';

export const claimCases: readonly JournalCase[] = [
  {
    title: 'adds a record and returns that very object',
    async run({ journal }) {
      const mine = record();
      assert.equal(await journal.claim(mine), mine);
      assert.deepEqual(plain(await journal.list()), [plain(mine)]);
    },
  },
  {
    title: 'leaves and returns the record that is there',
    async run({ journal }) {
      const first = record({ intent: 'pay' });
      await journal.claim(first);
      await journal.update({ ...first, attempts: 2, state: 'unknown' });
      const found = await journal.claim(record({ intent: 'pay' }));
      assert.deepEqual(plain(found), plain({ ...first, attempts: 2, state: 'unknown' }));
      assert.equal((await journal.list()).length, 1);
    },
  },
  ...(
    [
      ['scope', { scope: 'alice' }, { scope: 'bob' }],
      ['deployment', { deployment: 'a' }, { deployment: 'b' }],
      ['procedure', { path: 'orders.create' }, { path: 'orders.cancel' }],
      ['intent', { intent: 'pay["1"]' }, { intent: 'pay[1]' }],
      ['intent, which isn’t a key of the same text', { intent: 'k', key: 'k' }, { key: 'k' }],
      ['intent, whatever it is made of', { intent: '../"é\u0000' }, { intent: '../"e\u0000' }],
    ] as const
  ).map(
    ([what, one, other]): JournalCase => ({
      title: `keeps records apart by their ${what}`,
      async run({ journal }) {
        const first = record({ intent: 'same', ...one });
        const second = record({ ...('intent' in one ? {} : { intent: 'same' }), ...other });
        await journal.claim(first);
        assert.equal((await journal.claim(second)).key, second.key);
        assert.equal((await journal.list()).length, 2);
        assert.equal(
          (await journal.claim({ ...first, key: 'late' })).key,
          first.intent === 'k' ? 'k' : first.key,
        );
      },
    }),
  ),
  {
    title: 'keeps records without an intent apart by their key',
    async run({ journal }) {
      const [one, other] = [record(), record()];
      await journal.claim(one);
      await journal.claim(other);
      assert.deepEqual(
        (await journal.list()).map(({ key }) => key),
        [one.key, other.key],
      );
    },
  },
  {
    title: 'gives one of many claims of a tick the record, and the others that one',
    async run({ journal }) {
      const found = await Promise.all(
        Array.from({ length: 20 }, async () => journal.claim(record({ intent: 'pay' }))),
      );
      assert.equal(new Set(found.map(({ key }) => key)).size, 1);
    },
  },
  {
    title: 'gives an intent one key, whoever of two claims first',
    needs: ['second'],
    async run({ journal, second }) {
      const other = await second();
      for (let round = 0; round < 10; round++) {
        const intent = `round-${round}`;
        const sides = [journal, other, journal, other];
        const found = await Promise.all(sides.map(async (side) => side.claim(record({ intent }))));
        assert.equal(new Set(found.map(({ key }) => key)).size, 1, `round ${round} has one key`);
      }
    },
  },
  {
    title: 'resolves the claims of a tick before the next timer: they stay one batch',
    async run({ journal }) {
      for (let round = 0; round < 3; round++) {
        let isClosed = false;
        let isOpen = false;
        const claims = Array.from({ length: 10 }, async () => {
          await journal.claim(record());
          // As a batching link does, the first to come opens the batch and the next timer closes it.
          if (!isOpen) setTimeout(() => (isClosed = true), 0);
          isOpen = true;
          return isClosed;
        });
        assert.ok(!(await Promise.all(claims)).includes(true), 'none comes after the batch has closed');
      }
    },
  },
];
