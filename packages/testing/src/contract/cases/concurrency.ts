import assert from 'node:assert/strict';
import type { ContractCase } from '../case.ts';
import { assertDone, assertMismatch, assertRefused, assertRetryAfter, assertSame } from '../expect.ts';
import type { Payload } from '../payload.ts';
import type { Stage } from '../stage.ts';
import type { Answer } from '../transport.ts';

const DRAFT = 'draft-07 §2.6, §2.7';
const times = <T>(n: number, make: (index: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));

/** One of the answers is the result; the others are it too, or conflicts. One effect. */
async function assertOneWinner(stage: Stage, payload: Payload, answers: readonly Answer[]): Promise<void> {
  const done = answers.filter((answer) => answer.status < 400);
  assert.ok(done.length > 0, `nobody got the result: ${answers.map(({ status }) => status).join(', ')}`);
  for (const answer of answers) if (answer.status >= 400) assertRefused(stage, answer, 409, 'in_flight');
  await stage.assertEffects(payload, 1, answers);
  const [first] = done as [Answer];
  for (const answer of done) assertSame(first, answer);
}

async function race(stage: Stage, callers: number, rounds: number, delayMs?: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const payload = stage.payload(delayMs === undefined ? {} : { delayMs });
    const key = stage.key();
    const second = stage.has('second');
    const answers = await Promise.all(
      times(callers, (i) => stage.send(payload, { key, elsewhere: second && i % 2 === 1 })),
    );
    await assertOneWinner(stage, payload, answers);
  }
}

/** Two requests, the second sent while the first one runs. */
async function meet(stage: Stage, payload: Payload, other: Payload, key = stage.key()) {
  const running = stage.send(payload, { key });
  await stage.moment();
  const late = await stage.send(other, { key });
  return { key, first: await running, late };
}

export const concurrencyCases: readonly ContractCase[] = [
  {
    id: 'S37',
    title: 'runs one of 16 requests that arrive together, five times over',
    sources: ['S37', 'S29', 'S32', 'S33', 'S38', 'N27', DRAFT],
    needs: ['replay'],
    run: (stage) => race(stage, 16, 5),
  },
  {
    id: 'S29',
    title: 'runs one of 8 requests that arrive together while the handler takes its time',
    sources: ['S29', 'S32', 'S37', DRAFT],
    needs: ['slowHandler'],
    run: (stage) => race(stage, 8, 2, Math.min(stage.slowMs, 200)),
  },
  {
    id: 'S30',
    title: 'runs one of 16 requests that arrive together at two servers',
    sources: ['S30', 'S37'],
    needs: ['second', 'replay'],
    run: (stage) => race(stage, 16, 5),
  },
  {
    id: 'S30-replay',
    title: 'replays at the second server what the first one ran',
    sources: ['S30', 'S18'],
    needs: ['second', 'replay'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const first = await stage.send(payload, { key });
      const again = await stage.send(payload, { key, elsewhere: true });
      assertDone(first);
      assertSame(first, again);
      await stage.assertEffects(payload, 1, [first, again]);
    },
  },
  {
    id: 'S31',
    title: 'answers a request that meets a running one with its answer, after waiting',
    sources: ['S31', 'S39', 'WIRE: in_flight'],
    needs: ['slowHandler', 'inFlight:wait'],
    async run(stage) {
      const payload = stage.payload({ delayMs: stage.slowMs });
      const { first, late } = await meet(stage, payload, payload);
      assertDone(first);
      assertDone(late, 'the request that waited');
      assertSame(first, late);
      await stage.assertEffects(payload, 1, [first, late]);
    },
  },
  {
    id: 'S42',
    title: 'answers a request that meets a running one with 409 and Retry-After',
    sources: ['S29', 'S32', 'S42', DRAFT, 'WIRE: in_flight'],
    needs: ['slowHandler', 'inFlight:conflict'],
    async run(stage) {
      const payload = stage.payload({ delayMs: stage.slowMs });
      const { first, late } = await meet(stage, payload, payload);
      const [winner, loser] = first.status < 400 ? [first, late] : [late, first];
      assertDone(winner, 'the request that ran');
      assertRefused(stage, loser, 409, 'in_flight');
      if (stage.has('retryAfter')) assertRetryAfter(stage, loser);
      await stage.assertEffects(payload, 1, [first, late]);
    },
  },
  {
    id: 'S33',
    title: 'replays to the loser of a race when it comes back',
    sources: ['S33', 'S35', DRAFT],
    needs: ['slowHandler', 'replay'],
    async run(stage) {
      const payload = stage.payload({ delayMs: stage.slowMs });
      const { first, late, key } = await meet(stage, payload, payload);
      const again = await stage.send(payload, { key });
      const [winner] = [first, late].filter((answer) => answer.status < 400) as [Answer];
      assertSame(winner, again);
      await stage.assertEffects(payload, 1, [first, late, again]);
    },
  },
  {
    id: 'S34',
    title: 'runs one of two payloads that arrive together under one key, and refuses the other',
    sources: ['S34', 'S45'],
    needs: ['fingerprint'],
    async run(stage) {
      for (let round = 0; round < 5; round++) {
        const payloads = [stage.payload({ amount: 1 }), stage.payload({ amount: 2 })] as const;
        const key = stage.key();
        const answers = await Promise.all(times(10, (i) => stage.send(payloads[i % 2] as Payload, { key })));
        const mine = (which: number) => answers.filter((_, i) => i % 2 === which);
        const ran = [0, 1].filter((which) => mine(which).some((answer) => answer.status < 400));
        assert.equal(ran.length, 1, `${ran.length} of the two payloads were accepted`);
        const winner = ran[0] as 0 | 1;
        await assertOneWinner(stage, payloads[winner], mine(winner));
        for (const answer of mine(1 - winner)) {
          assertRefused(
            stage,
            answer,
            [stage.target.mismatchStatus ?? 422, 409],
            ['key_reused', 'in_flight'],
          );
        }
      }
    },
  },
  {
    id: 'S45',
    title: 'refuses another payload while the first one runs, and does not run it',
    sources: ['S45', 'S34', 'WIRE: Precedence'],
    needs: ['slowHandler', 'fingerprint'],
    async run(stage) {
      const payload = stage.payload({ amount: 1, delayMs: stage.slowMs });
      const other = stage.payload({ amount: 2 });
      const { first, late, key } = await meet(stage, payload, other);
      assertDone(first);
      // An atomic attempt is invisible to others: the mismatch is then told on retry.
      assertRefused(stage, late, [stage.target.mismatchStatus ?? 422, 409], ['key_reused', 'in_flight']);
      assertMismatch(stage, await stage.send(other, { key }));
      await stage.assertEffects(payload, 1, [first]);
      if (stage.has('effects')) await stage.assertEffects(other, 0, []);
    },
  },
  {
    id: 'S41',
    title: 'lets nobody wait for a request with another key',
    sources: ['S41'],
    needs: ['slowHandler'],
    async run(stage) {
      const slow = stage.payload({ delayMs: stage.slowMs * 2 });
      const quick = stage.payload();
      const order: string[] = [];
      const slowOne = stage.send(slow, { key: stage.key() }).finally(() => order.push('slow'));
      await stage.moment();
      const quickOne = stage.send(quick, { key: stage.key() }).finally(() => order.push('quick'));
      const [first, second] = await Promise.all([slowOne, quickOne]);
      assertDone(first);
      assertDone(second);
      assert.deepEqual(order, ['quick', 'slow'], 'the quick request is answered first');
    },
  },
  {
    id: 'S38',
    title: 'runs each of 10 keys once under mixed load of 60 requests',
    sources: ['S38', 'S41'],
    needs: ['replay'],
    async run(stage) {
      const keys = times(10, () => ({ key: stage.key(), payload: stage.payload() }));
      const answers = await Promise.all(
        times(60, (i) => {
          const { key, payload } = keys[i % keys.length] as (typeof keys)[number];
          return stage.send(payload, { key });
        }),
      );
      for (const [index, { payload }] of keys.entries()) {
        await assertOneWinner(
          stage,
          payload,
          answers.filter((_, i) => i % keys.length === index),
        );
      }
    },
  },
];
