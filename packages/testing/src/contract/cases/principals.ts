import assert from 'node:assert/strict';
import type { ContractCase } from '../case.ts';
import { assertDone, assertSame } from '../expect.ts';

const WIRE = 'WIRE: Identity';

/** What servers have been seen to believe. */
const CONTROLS: Readonly<Record<string, string>> = {
  'x-hit': 'true',
  'x-tenant-id': 'mallory',
  'x-user-id': 'mallory',
  'x-idempotency-scope': 'mallory',
  'idempotency-scope': 'mallory',
  'idempotency-operation': 'mallory',
  'idempotency-replayed': 'true',
  'idempotency-status': 'replayed',
};

export const principalCases: readonly ContractCase[] = [
  {
    id: 'N10',
    title: "runs one principal's request under a key that another one used, and shows nothing of the other's",
    sources: ['N10', 'S58', WIRE, 'draft-07 §5'],
    needs: ['principals'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const alices = await stage.send(payload, { key });
      const bobs = await stage.send(payload, { key, as: 'second' });
      assertDone(alices);
      assertDone(bobs, "the other principal's request");
      assert.notEqual(bobs.headers.get('idempotency-replayed'), 'true', 'it is no replay');
      await stage.assertEffects(payload, 2, [alices, bobs]);
      assertSame(alices, await stage.send(payload, { key }), "the first one's retry");
      assertSame(bobs, await stage.send(payload, { key, as: 'second' }), "the second one's retry");
      await stage.assertEffects(payload, 2, [alices, bobs]);
    },
  },
  {
    id: 'N10-mismatch',
    title: "does not compare one principal's payload with another's",
    sources: ['N10', WIRE],
    needs: ['principals'],
    async run(stage) {
      const [payload, other] = [stage.payload(), stage.payload({ amount: 7 })];
      const key = stage.key();
      assertDone(await stage.send(payload, { key }));
      const bobs = await stage.send(other, { key, as: 'second' });
      assertDone(bobs, "the other principal's request");
      await stage.assertEffects(other, 1, [bobs]);
    },
  },
  {
    id: 'N10-race',
    title: 'runs one request of each of two principals that arrive together under one key',
    sources: ['N10', 'S37', WIRE],
    needs: ['principals', 'replay'],
    async run(stage) {
      for (let round = 0; round < 3; round++) {
        const payload = stage.payload();
        const key = stage.key();
        const answers = await Promise.all(
          Array.from({ length: 12 }, (_, i) => stage.send(payload, { key, as: i % 2 ? 'first' : 'second' })),
        );
        for (const who of [0, 1])
          assert.ok(
            answers.some(({ status }, i) => i % 2 === who && status < 400),
            'each principal has a winner',
          );
        await stage.assertEffects(payload, 2, answers);
      }
    },
  },
  {
    id: 'N12',
    title: 'runs the same payload of two principals under two keys',
    sources: ['N12', 'S61'],
    needs: ['principals'],
    async run(stage) {
      const payload = stage.payload();
      const answers = [
        await stage.send(payload, { key: stage.key() }),
        await stage.send(payload, { key: stage.key(), as: 'second' }),
      ];
      for (const answer of answers) assertDone(answer);
      await stage.assertEffects(payload, 2, answers);
    },
  },
  {
    id: 'W6',
    title: 'replays nothing to who is not authenticated, and claims nothing for them',
    sources: [WIRE, 'WIRE: Failure classes 0', 'N10'],
    needs: ['principals'],
    async run(stage) {
      const payload = stage.payload();
      const [used, fresh] = [stage.key(), stage.key()];
      const first = await stage.send(payload, { key: used });
      assertDone(first);
      for (const key of [used, fresh]) {
        const { status } = await stage.send(payload, { key, as: 'nobody' });
        assert.ok(status === 401 || status === 403, `nobody is answered with ${status}`);
      }
      const later = await stage.send(payload, { key: fresh });
      assertDone(later, "a principal's request under a key that nobody tried");
      await stage.assertEffects(payload, 2, [first, later]);
    },
  },
  {
    id: 'N28',
    title: 'believes no header that a client uses to play the server',
    sources: ['N28', 'S58', WIRE],
    needs: ['replay'],
    async run(stage) {
      for (const [name, value] of Object.entries(CONTROLS)) {
        const payload = stage.payload();
        const key = stage.key();
        const headers = { [name]: value };
        const first = await stage.send(payload, { key, headers });
        assertDone(first, `a request with ${name}: ${value}`);
        const again = await stage.send(payload, { key });
        assertSame(first, again, `the retry without ${name}`);
        await stage.assertEffects(payload, 1, [first, again]);
      }
    },
  },
  {
    id: 'S128',
    title: "replays no Set-Cookie, and nobody else's",
    sources: ['S128', 'S129', 'S131', 'S134', 'WIRE: Replay'],
    needs: ['http', 'replay', 'answer:cookie'],
    async run(stage) {
      const payload = stage.payload({ answer: 'cookie' });
      const key = stage.key();
      const first = await stage.send(payload, { key });
      const again = await stage.send(payload, { key });
      assertDone(first);
      assert.ok(first.headers.getSetCookie().length > 0, 'the first answer sets a cookie');
      assert.deepEqual(again.headers.getSetCookie(), [], 'the replay sets none');
      await stage.assertEffects(payload, 1, [first, again]);
    },
  },
];
