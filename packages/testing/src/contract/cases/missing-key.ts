import assert from 'node:assert/strict';
import type { ContractCase } from '../case.ts';
import { assertDone, assertRefused } from '../expect.ts';

export const missingKeyCases: readonly ContractCase[] = [
  {
    id: 'S1',
    title: 'refuses a request without a key, and runs nothing',
    sources: ['S1', 'S15', 'draft-07 §2.7', 'WIRE: Answers'],
    needs: ['requiredKey'],
    async run(stage) {
      const payload = stage.payload();
      assertRefused(stage, await stage.send(payload), 400, 'key_missing');
      if (stage.has('effects')) await stage.assertEffects(payload, 0, []);
    },
  },
  {
    id: 'S9',
    title: 'takes no other header for the key',
    sources: ['S9', 'WIRE: Request'],
    needs: ['requiredKey'],
    async run(stage) {
      for (const name of ['x-idempotency-key', 'idempotencykey', 'idempotency_key']) {
        const payload = stage.payload();
        const answer = await stage.send(payload, { headers: { [name]: `"${stage.key()}"` } });
        assertRefused(stage, answer, 400, 'key_missing');
        if (stage.has('effects')) await stage.assertEffects(payload, 0, []);
      }
    },
  },
  {
    id: 'S2',
    title: 'runs every request without a key where a key is optional',
    sources: ['S2', 'S15'],
    needs: ['optionalPath'],
    async run(stage) {
      const payload = stage.payload();
      const path = stage.target.optionalPath as string;
      const answers = [await stage.send(payload, { path }), await stage.send(payload, { path })];
      for (const answer of answers) assertDone(answer);
      await stage.assertEffects(payload, 2, answers);
    },
  },
  {
    id: 'W4',
    title: 'runs once per key where a key is optional and sent',
    sources: ['WIRE: Identity', 'S18'],
    needs: ['optionalPath', 'replay'],
    async run(stage) {
      const payload = stage.payload();
      const asking = { path: stage.target.optionalPath as string, key: stage.key() };
      const answers = [await stage.send(payload, asking), await stage.send(payload, asking)];
      for (const answer of answers) assertDone(answer);
      await stage.assertEffects(payload, 1, answers);
    },
  },
  {
    id: 'W5',
    title: 'a key in the query string is no key',
    sources: ['WIRE: Status (never in a URL)'],
    needs: ['http', 'requiredKey'],
    async run(stage) {
      const payload = stage.payload();
      const answer = await stage.send(payload, { query: `idempotency-key=${stage.key()}` });
      assert.equal(answer.status, 400, 'a key in the URL is not taken');
      if (stage.has('effects')) await stage.assertEffects(payload, 0, []);
    },
  },
];
