import assert from 'node:assert/strict';
import { type AcceptedBody, isAcceptedBody } from '@semel/contract/v1/pure';
import { member } from '../carrier.ts';
import type { ContractCase } from '../case.ts';
import { assertDone, assertMismatch, assertReplayed, assertSame } from '../expect.ts';
import type { Payload } from '../payload.ts';
import type { Asking, Stage } from '../stage.ts';
import type { Answer } from '../transport.ts';
import { askStatus, assertNotFound } from './status.ts';

const WIRE = 'WIRE: Accepted';

const send = (stage: Stage, payload: Payload, asking: Asking): Promise<Answer> =>
  stage.send(payload, { ...asking, path: stage.target.queuedPath as string });

/** The body of a 202. @throws AssertionError for any other answer */
function acceptedIn(stage: Stage, answer: Answer, what = 'queued work'): AcceptedBody {
  assert.equal(answer.status, 202, `${what} is answered with ${answer.status} ${answer.text.slice(0, 200)}`);
  const body = stage.value(answer);
  assert.ok(isAcceptedBody(body), `${what} has no accepted body: ${answer.text.slice(0, 200)}`);
  return body;
}

/** The same request until it is done, as a client without the status query would. */
async function untilDone(stage: Stage, payload: Payload, asking: Asking): Promise<Answer> {
  const until = performance.now() + (stage.target.timeoutMs ?? 10_000);
  for (;;) {
    const answer = await send(stage, payload, asking);
    if (answer.status !== 202) return answer;
    acceptedIn(stage, answer, 'work that is not done yet');
    assert.ok(performance.now() < until, 'the work was not done in time');
    await stage.moment(50);
  }
}

const wholeSeconds = (answer: Answer): number => {
  const header = answer.headers.get('retry-after') ?? '';
  assert.match(header, /^\d+$/, `Retry-After is ${header}, not a number of seconds`);
  return Number(header);
};

export const queuedCases: readonly ContractCase[] = [
  {
    id: 'W30',
    title: 'accepts queued work: 202, the body, Retry-After, and a Location that tells of it',
    sources: [WIRE],
    needs: ['queued', 'status'],
    async run(stage) {
      const answer = await send(stage, stage.payload(), { key: stage.key() });
      const { operationId, pollAfterMs } = acceptedIn(stage, answer);
      if (stage.has('retryAfter')) assert.equal(wholeSeconds(answer), Math.ceil(pollAfterMs / 1000));
      if (stage.has('operationHeader')) {
        assert.equal(answer.headers.get('idempotency-operation'), operationId);
      }
      if (stage.has('noStore')) assert.equal(answer.headers.get('cache-control'), 'private, no-store');
      const location = answer.headers.get('location');
      assert.ok(location, 'a 202 has a Location');
      const called = stage.carrier.address(stage.target.url, stage.target.queuedPath as string);
      const told = await stage.ask('GET', new URL(location, called));
      assert.equal(told.status, 200, `its Location is answered with ${told.status}`);
      // It may be of another carrier: a tRPC server whose status is a plain route.
      const tells = [told.json, stage.value(told)].map((status) => member(status, 'operationId'));
      assert.ok(tells.includes(operationId), `its Location tells of ${told.text.slice(0, 200)}`);
    },
  },
  {
    id: 'W31',
    title: 'accepts queued work once, however often and at once it is sent',
    sources: [WIRE, 'S150', 'S37'],
    needs: ['queued', 'slowHandler'],
    async run(stage) {
      const payload = stage.payload({ delayMs: stage.slowMs });
      const key = stage.key();
      const together = await Promise.all(Array.from({ length: 8 }, () => send(stage, payload, { key })));
      const later = await send(stage, payload, { key });
      const ids = [...together, later].map((answer) => acceptedIn(stage, answer).operationId);
      assert.equal(new Set(ids).size, 1, `one key was accepted as ${new Set(ids).size} operations`);
      const done = await untilDone(stage, payload, { key });
      assertDone(done, 'the work, when it is done');
      // What was queued twice would have its second effect by then.
      await stage.moment(stage.slowMs);
      await stage.assertEffects(payload, 1, [done]);
    },
  },
  {
    id: 'W32',
    title: 'answers with what the work came to once it is done, and goes on replaying it',
    sources: [WIRE, 'S152', 'S18'],
    needs: ['queued', 'replay'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      acceptedIn(stage, await send(stage, payload, { key }));
      const done = await untilDone(stage, payload, { key });
      assertReplayed(stage, done, await send(stage, payload, { key }));
      await stage.assertEffects(payload, 1, [done]);
    },
  },
  {
    id: 'W33',
    title: 'tells how far queued work is: enqueued first, started by an attempt, completed',
    sources: ['WIRE: States and transitions', 'WIRE: Status'],
    needs: ['queued', 'status', 'slowHandler'],
    async run(stage) {
      const payload = stage.payload({ delayMs: stage.slowMs });
      const { operationId } = acceptedIn(stage, await send(stage, payload, { key: stage.key() }));
      const until = performance.now() + (stage.target.timeoutMs ?? 10_000);
      let state: unknown;
      let told: unknown;
      for (; state !== 'completed'; await stage.moment(50)) {
        told = stage.value(await askStatus(stage, { operationId }));
        state = member(told, 'state');
        if (state === 'completed') break;
        assert.ok(state === 'accepted' || state === 'processing', `its state is ${String(state)}`);
        assert.equal(typeof member(told, 'retryAfterMs'), 'number', 'it says when to ask again');
        assert.equal(member(told, 'outcome'), undefined, 'there is no outcome yet');
        assert.ok(performance.now() < until, `it is ${String(state)} and not completed in time`);
      }
      const causes = (member(told, 'transitions') as { cause: string; to: string }[]).map(
        ({ cause }) => cause,
      );
      assert.deepEqual([causes[0], causes[1], causes.at(-1)], ['enqueued', 'started', 'succeeded']);
    },
  },
  {
    id: 'W34',
    title: 'shows accepted work to nobody else, and takes the same key of another as another operation',
    sources: [WIRE, 'WIRE: Identity', 'N10'],
    needs: ['queued', 'status', 'principals'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const { operationId } = acceptedIn(stage, await send(stage, payload, { key }));
      assertNotFound(stage, await askStatus(stage, { operationId }, 'second'));
      const theirs = acceptedIn(stage, await send(stage, payload, { key, as: 'second' }));
      assert.notEqual(theirs.operationId, operationId);
    },
  },
  {
    id: 'W35',
    title: 'refuses another payload under the key of accepted work, which is done all the same',
    sources: [WIRE, 'WIRE: key_reused', 'S45'],
    needs: ['queued', 'fingerprint', 'slowHandler'],
    async run(stage) {
      const payload = stage.payload({ delayMs: stage.slowMs });
      const other = stage.payload({ amount: 9 });
      const key = stage.key();
      acceptedIn(stage, await send(stage, payload, { key }));
      assertMismatch(stage, await send(stage, other, { key }));
      const done = await untilDone(stage, payload, { key });
      assertDone(done, 'the accepted work');
      assertMismatch(stage, await send(stage, other, { key }));
      await stage.assertEffects(payload, 1, [done]);
      if (stage.has('effects')) await stage.assertEffects(other, 0, []);
    },
  },
  {
    id: 'W36',
    title: 'keeps the final refusal of queued work, and replays it',
    sources: [WIRE, 'WIRE: Failure classes 2', 'S69'],
    needs: ['queued', 'replay', 'failure:refused'],
    async run(stage) {
      const payload = stage.payload({ failure: 'refused' });
      const key = stage.key();
      acceptedIn(stage, await send(stage, payload, { key }));
      const refused = await untilDone(stage, payload, { key });
      assert.ok(refused.status >= 400 && refused.status < 500, `the refusal is answered ${refused.status}`);
      assertSame(refused, await send(stage, payload, { key }));
      if (stage.has('effects')) await stage.assertEffects(payload, 0, []);
    },
  },
  {
    id: 'W37',
    title: 'does queued work that failed for now again, by itself, and once',
    sources: [WIRE, 'WIRE: rescheduled'],
    needs: ['queued', 'failure:once'],
    async run(stage) {
      const payload = stage.payload({ failure: 'once' });
      const key = stage.key();
      acceptedIn(stage, await send(stage, payload, { key }));
      const done = await untilDone(stage, payload, { key });
      assertDone(done, 'the work, when it is done');
      await stage.assertEffects(payload, 1, [done]);
    },
  },
];
