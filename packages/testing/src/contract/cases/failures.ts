import assert from 'node:assert/strict';
import type { ContractCase } from '../case.ts';
import { assertDone, assertMismatch, assertSame } from '../expect.ts';

const CLASSES = 'WIRE: Failure classes';

export const failureCases: readonly ContractCase[] = [
  {
    id: 'W7',
    title: 'claims nothing before validation: the payload put right runs under the same key',
    sources: [`${CLASSES} 0`, 'draft-07 §5 (validate first)', 'S65'],
    needs: ['failure:invalid'],
    async run(stage) {
      const key = stage.key();
      const payload = stage.payload();
      const refused = await stage.send({ ...payload, failure: 'invalid' }, { key });
      assert.ok(
        refused.status >= 400 && refused.status < 500,
        `an invalid payload is answered ${refused.status}`,
      );
      const first = await stage.send(payload, { key });
      assertDone(first, 'the payload put right');
      await stage.assertEffects(payload, 1, [first]);
    },
  },
  {
    id: 'S69',
    title: 'replays a final refusal as it was',
    sources: ['S68', 'S69', 'draft-07 §2.6', `${CLASSES} 2`],
    needs: ['replay', 'failure:refused'],
    async run(stage) {
      const payload = stage.payload({ failure: 'refused' });
      const key = stage.key();
      const first = await stage.send(payload, { key });
      assert.ok(first.status >= 400 && first.status < 500, `the refusal is answered with ${first.status}`);
      assertSame(first, await stage.send(payload, { key }));
      if (stage.has('effects')) await stage.assertEffects(payload, 0, []);
    },
  },
  {
    id: 'S69-mismatch',
    title: 'refuses another payload under the key of a final refusal',
    sources: ['S44', 'S69', 'WIRE: key_reused'],
    needs: ['fingerprint', 'failure:refused'],
    async run(stage) {
      const key = stage.key();
      await stage.send(stage.payload({ failure: 'refused' }), { key });
      const other = stage.payload();
      assertMismatch(stage, await stage.send(other, { key }));
      if (stage.has('effects')) await stage.assertEffects(other, 0, []);
    },
  },
  {
    id: 'S65',
    title: 'runs again after a failure without an effect, under the same key',
    sources: ['S65', 'S70', 'S76', `${CLASSES} 3`],
    needs: ['failure:once'],
    async run(stage) {
      const payload = stage.payload({ failure: 'once' });
      const key = stage.key();
      const first = await stage.send(payload, { key });
      assert.ok(first.status >= 500, `the failure is answered with ${first.status}`);
      const second = await stage.send(payload, { key });
      assertDone(second, 'the retry');
      const third = await stage.send(payload, { key });
      assertSame(second, third);
      await stage.assertEffects(payload, 1, [second, third]);
    },
  },
  {
    id: 'N17',
    title: 'makes no second effect after a failure behind the effect',
    sources: ['N17', 'S65', `${CLASSES} 1, 3`],
    needs: ['failure:after-effect', 'effects'],
    async run(stage) {
      const payload = stage.payload({ failure: 'after-effect' });
      const key = stage.key();
      const first = await stage.send(payload, { key });
      assert.ok(first.status >= 400, `the failure is answered with ${first.status}`);
      for (let each = 0; each < 3; each++) await stage.send(payload, { key });
      const count = (await stage.target.countEffects?.(payload.reference)) ?? 0;
      assert.ok(count <= 1, `the effect happened ${count} times`);
    },
  },
  {
    id: 'N7',
    title: 'changes nothing of a finished record by a refusal: the honest retry gets the first answer',
    sources: ['N7', 'S44', 'WIRE: Answers'],
    needs: ['fingerprint', 'replay', 'finalAnswers'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const first = await stage.send(payload, { key });
      assertDone(first);
      for (const amount of [1, 2])
        assertMismatch(stage, await stage.send(stage.payload({ amount }), { key }));
      assertSame(first, await stage.send(payload, { key }), 'the honest retry');
      await stage.assertEffects(payload, 1, [first]);
    },
  },
  {
    id: 'N7-running',
    title: 'changes nothing of a running record by conflicts and refusals',
    sources: ['N7', 'S29', 'S45', 'WIRE: Answers'],
    needs: ['slowHandler', 'fingerprint', 'replay', 'finalAnswers'],
    async run(stage) {
      const payload = stage.payload({ delayMs: stage.slowMs });
      const key = stage.key();
      const running = stage.send(payload, { key });
      await stage.moment();
      const between = [stage.send(payload, { key }), stage.send(stage.payload({ amount: 9 }), { key })];
      const first = await running;
      assertDone(first, 'the running request');
      await Promise.all(between);
      for (let each = 0; each < 2; each++)
        assertSame(first, await stage.send(payload, { key }), 'the honest retry');
      await stage.assertEffects(payload, 1, [first]);
    },
  },
  {
    id: 'N6',
    title: 'answers 503 with Retry-After while the store is away, runs nothing, and recovers',
    sources: ['N6', 'S36', 'S77', 'S71', 'WIRE: store_unavailable'],
    needs: ['outage'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const restore = await stage.target.breakStore?.();
      try {
        const away = await stage.send(payload, { key });
        assert.equal(away.status, 503, 'without its store the server answers 503');
        assert.match(away.headers.get('retry-after') ?? '', /^\d+$/, 'and says after how long to come back');
        if (stage.has('wireProblems')) assert.equal(stage.problem(away)?.code, 'store_unavailable');
      } finally {
        await restore?.();
      }
      const first = await stage.sendFirmly(payload, { key });
      assertDone(first, 'the retry');
      assertSame(first, await stage.send(payload, { key }));
      await stage.assertEffects(payload, 1, [first]);
    },
  },
];
