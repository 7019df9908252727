import assert from 'node:assert/strict';
import type { ContractCase } from '../case.ts';
import { assertDone, assertRefused, assertSame } from '../expect.ts';

export const expiryCases: readonly ContractCase[] = [
  {
    id: 'S109',
    title: 'takes a key whose record has expired for a new one, also with another payload',
    sources: ['S109', 'N26', 'N18', 'N19', 'draft-07 §2.3', 'WIRE: Lifetime'],
    needs: ['expire'],
    async run(stage) {
      const payload = stage.payload();
      const [key, other] = [stage.key(), stage.key()];
      const first = await stage.send(payload, { key });
      const used = stage.payload();
      assertDone(first);
      assertDone(await stage.send(used, { key: other }));
      await stage.target.expire?.();
      const second = await stage.send(payload, { key });
      assertDone(second, 'the key after its expiry');
      assert.notEqual(second.headers.get('idempotency-replayed'), 'true', 'it is no replay');
      await stage.assertEffects(payload, 2, [first, second]);
      assertDone(await stage.send(stage.payload({ amount: 3 }), { key: other }), 'another payload');
      assertSame(second, await stage.send(payload, { key }), 'a retry of the new operation');
    },
  },
  {
    id: 'S37-expired',
    title: 'runs one of 12 requests that arrive together after an expiry',
    sources: ['N19', 'S37', 'S109'],
    needs: ['expire', 'replay'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const first = await stage.send(payload, { key });
      assertDone(first);
      await stage.target.expire?.();
      const later = await Promise.all(Array.from({ length: 12 }, () => stage.send(payload, { key })));
      for (const answer of later) if (answer.status >= 400) assertRefused(stage, answer, 409, 'in_flight');
      await stage.assertEffects(payload, 2, [first, ...later]);
    },
  },
  {
    id: 'W9',
    title: 'refuses a key that is too old to tell whether it was used, and runs nothing',
    sources: ['WIRE: key_expired', 'draft-07 §2.3'],
    needs: ['age', 'structuredKeys', 'wireProblems'],
    async run(stage) {
      const payload = stage.payload();
      const answer = await stage.send(payload, { keyHeader: `"${stage.key()}";age=3153600000` });
      assertRefused(stage, answer, 409, 'key_expired');
      assert.equal(stage.problem(answer)?.retryable, false, 'it is never retried');
      if (stage.has('effects')) await stage.assertEffects(payload, 0, []);
    },
  },
  {
    id: 'W10',
    title: 'replays to an old key what it knows of it',
    sources: ['WIRE: key_expired', 'S18'],
    needs: ['age', 'structuredKeys', 'replay'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const first = await stage.send(payload, { keyHeader: `"${key}";age=5` });
      assertDone(first);
      assertSame(first, await stage.send(payload, { keyHeader: `"${key}";age=3153600000` }));
      await stage.assertEffects(payload, 1, [first]);
    },
  },
  {
    id: 'W11',
    title: 'refuses an age that is no number of whole seconds, and runs nothing',
    sources: ['WIRE: Request'],
    needs: ['age', 'structuredKeys'],
    async run(stage) {
      for (const age of ['1.5', '-1', '"5"', 'old']) {
        const payload = stage.payload();
        const answer = await stage.send(payload, { keyHeader: `"${stage.key()}";age=${age}` });
        assertRefused(stage, answer, 400, 'key_malformed');
        if (stage.has('effects')) await stage.assertEffects(payload, 0, []);
      }
    },
  },
];
