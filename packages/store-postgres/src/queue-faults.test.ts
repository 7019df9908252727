import type { Decision } from '@semel/server/store';
import { isTransactionEndedByHandler } from '@semel/server/store';
import { loseAnswerAfter } from '@semel/testing/faults';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  COMPLETED,
  createFixture,
  enqueueRequest,
  type Fixture,
  random,
  request,
} from './testing/fixture.ts';
import { lossyPath } from './testing/lossy-path.ts';

// Answers of the queue's and the decisions' writes get lost, on a real network path to a real server.

const decision: Decision = { actor: 'operator:alice', reason: 'asked the provider' };
const trace = { actor: 'worker' };
let db: Fixture;
beforeAll(async () => {
  db = await createFixture('queue_faults');
});
afterAll(() => db.close());
const path = lossyPath(() => db);

const countOf = async (note: string) => (await db.effects()).filter((each) => each === note).length;

/** A dead letter: its only attempt failed. */
async function dead(): Promise<string> {
  const store = db.store();
  const asked = enqueueRequest({ policy: { ...enqueueRequest().policy, maxAttempts: 1 } });
  await store.queue.enqueue(asked, async () => {});
  const started = await store.queue.start({ operationId: asked.operationId, owner: random(), trace });
  if (started.kind !== 'started') throw new Error(started.kind);
  await store.settle(started.claim, { to: 'dead', cause: 'exhausted', lastError: 'no' }, trace);
  return asked.operationId;
}

test('work whose COMMIT was done and not answered is accepted, and sent once', async () => {
  const asked = enqueueRequest();
  const note = random();
  const store = path.store();
  const reader = db.store();
  const lost = path.loseAnswer(async () => (await reader.find(asked.operationId)) !== undefined);
  const result = await store.queue.enqueue(asked, (tx) => db.effect(tx, note));
  await lost;
  expect(result).toMatchObject({ won: true, record: { state: 'accepted', attempt: 0, version: 1 } });
  expect(await countOf(note)).toBe(1);
});

test('work whose COMMIT never arrived is accepted by a second try, and sent once', async () => {
  const asked = enqueueRequest();
  const note = random();
  path.loseLastFlight();
  const result = await path.store().queue.enqueue(asked, (tx) => db.effect(tx, note));
  expect(result).toMatchObject({ won: true, record: { operationId: asked.operationId } });
  expect(await countOf(note)).toBe(1);
});

test('work that was accepted unanswered and started by a worker meanwhile is still its caller’s', async () => {
  const asked = enqueueRequest();
  const worker = db.store();
  const lost = path.loseAnswer(async () => {
    const { operationId } = asked;
    const { kind } = await worker.queue.start({ operationId, owner: random(), trace });
    return kind === 'started';
  });
  const result = await path.store().queue.enqueue(asked, async () => {});
  await lost;
  expect(result).toMatchObject({ won: true, record: { state: 'processing', attempt: 1 } });
});

test('a caller who can not be told what became of its work is told that the store is out of reach', async () => {
  const refused: Promise<void>[] = [];
  path.loseLastFlight(() => refused.push(path.proxy.refuse()));
  await expect(path.store().queue.enqueue(enqueueRequest(), async () => {})).rejects.toThrow(
    'store_unavailable: it is not known whether the operation was accepted; ask again',
  );
  await Promise.all(refused);
});

test('a redrive whose COMMIT was done and not answered is done, and sent once', async () => {
  const operationId = await dead();
  const note = random();
  const state = async () => (await db.store().find(operationId))?.record.state;
  const lost = path.loseAnswer(async () => (await state()) === 'accepted');
  const result = await path
    .store()
    .decisions.redrive(operationId, { grantAttempts: 3 }, (tx) => db.effect(tx, note), decision);
  await lost;
  expect(result).toMatchObject({
    kind: 'done',
    record: { state: 'accepted', attempt: 2, policy: { maxAttempts: 5 } },
  });
  expect(await countOf(note)).toBe(1);
});

test.each(['redrive', 'resolve'] as const)(
  'a %s whose COMMIT never arrived leaves nothing and is said not to have been made',
  async (which) => {
    const operationId = await dead();
    const note = random();
    const store = path.store();
    path.loseLastFlight();
    const made =
      which === 'redrive'
        ? store.decisions.redrive(operationId, { grantAttempts: 3 }, (tx) => db.effect(tx, note), decision)
        : store.decisions.resolve(
            operationId,
            async (tx) => {
              await db.effect(tx, note);
              return { to: 'completed', outcome: '{"v":1}' };
            },
            decision,
          );
    await expect(made).rejects.toThrow('store_unavailable');
    expect(await countOf(note)).toBe(0);
    expect(await db.store().decisions.decisions(operationId)).toEqual([]);
    expect((await db.store().find(operationId))?.record.state).toBe('dead');
  },
);

test('a resolution whose COMMIT was done and not answered is done, with its effects once', async () => {
  const operationId = await dead();
  const note = random();
  const state = async () => (await db.store().find(operationId))?.record.state;
  const lost = path.loseAnswer(async () => (await state()) === 'completed');
  const result = await path.store().decisions.resolve(
    operationId,
    async (tx) => {
      await db.effect(tx, note);
      return { to: 'completed', outcome: '{"v":1}' };
    },
    decision,
  );
  await lost;
  expect(result).toMatchObject({ kind: 'done', record: { state: 'completed', outcome: '{"v":1}' } });
  expect(await countOf(note)).toBe(1);
  expect(await db.store().decisions.decisions(operationId)).toHaveLength(1);
});

test('a decision whose COMMIT can not be found out is said to be unknown', async () => {
  const operationId = await dead();
  const refused: Promise<void>[] = [];
  path.loseLastFlight(() => refused.push(path.proxy.refuse()));
  const made = path
    .store()
    .decisions.resolve(operationId, async () => ({ to: 'failed', outcome: '{}' }), decision);
  await expect(made).rejects.toThrow('it is not known whether the decision was written');
  await Promise.all(refused);
});

test.each(['release', 'cancel'] as const)(
  'a lost acknowledgement of %s is asked for again and found',
  async (which) => {
    const store = path.store();
    await store.ping();
    let { operationId } = enqueueRequest();
    if (which === 'cancel') {
      const asked = enqueueRequest({ operationId });
      await db.store().queue.enqueue(asked, async () => {});
    } else {
      const claimed = await db.store().claim(request({ operationId }));
      if (claimed.won)
        await db.store().settle(claimed.claim, { to: 'suspended', cause: 'outcome_unknown' }, trace);
      operationId = claimed.won ? claimed.claim.operationId : '';
    }
    const lost = loseAnswerAfter(decision.reason);
    path.proxy.setFaults({ onData: lost.onData });
    const cut = lost.swallowed.then((connection) => connection.reset());
    const made =
      which === 'release'
        ? await store.decisions.release(operationId, decision)
        : await store.decisions.cancel(operationId, '{"v":1,"ok":false}', decision);
    await cut;
    expect(made).toMatchObject({
      kind: 'done',
      record: { state: which === 'release' ? 'released' : 'failed' },
    });
    expect(await store.decisions.decisions(operationId)).toHaveLength(1);
  },
);

test('a lost acknowledgement of start is asked for again and found, with the work', async () => {
  const asked = enqueueRequest();
  await db.store().queue.enqueue(asked, async () => {});
  const store = path.store();
  await store.ping();
  const owner = random();
  const lost = loseAnswerAfter(owner);
  path.proxy.setFaults({ onData: lost.onData });
  const cut = lost.swallowed.then((connection) => connection.reset());
  const started = await store.queue.start({ operationId: asked.operationId, owner, trace });
  await cut;
  expect(started).toMatchObject({
    kind: 'started',
    cause: 'started',
    claim: { attempt: 1, owner },
    work: asked.work,
  });
});

test.each([
  { end: { to: 'accepted', cause: 'rescheduled', delayMs: 60_000, lastError: 'busy' } as const },
  { end: { to: 'dead', cause: 'exhausted', lastError: 'busy' } as const },
])('a lost acknowledgement of $end.cause is asked for again and found', async ({ end }) => {
  const asked = enqueueRequest();
  await db.store().queue.enqueue(asked, async () => {});
  const started = await db.store().queue.start({ operationId: asked.operationId, owner: random(), trace });
  if (started.kind !== 'started') throw new Error(started.kind);
  const store = path.store();
  await store.ping();
  const lost = loseAnswerAfter('busy');
  path.proxy.setFaults({ onData: lost.onData });
  const cut = lost.swallowed.then((connection) => connection.reset());
  expect(await store.settle(started.claim, end, trace)).toEqual({ kind: 'settled' });
  await cut;
  expect(await store.rejected(asked.operationId)).toEqual([]);
  expect(await store.queue.work(asked.operationId)).toMatchObject({ lastError: 'busy' });
});

test.each(['enqueue', 'redrive', 'resolve'] as const)(
  'code that commits the transaction of %s itself is found out',
  async (which) => {
    const { queue, decisions } = db.store();
    const commits = async (tx: { query(text: string): unknown }) => void (await tx.query('COMMIT'));
    const operationId = which === 'enqueue' ? '' : await dead();
    const made =
      which === 'enqueue'
        ? queue.enqueue(enqueueRequest(), commits)
        : which === 'redrive'
          ? decisions.redrive(operationId, { grantAttempts: 1 }, commits, decision)
          : decisions.resolve(
              operationId,
              async (tx) => {
                await commits(tx);
                return { to: 'completed', outcome: '{}' };
              },
              decision,
            );
    await expect(made).rejects.toSatisfy(isTransactionEndedByHandler);
  },
);

test('an operation that somebody decides about is passed by, not waited for', async () => {
  const operationId = await dead();
  const { decisions } = db.store();
  const reached = Promise.withResolvers<void>();
  const proceed = Promise.withResolvers<void>();
  const first = decisions.resolve(
    operationId,
    async () => {
      reached.resolve();
      await proceed.promise;
      return { to: 'completed', outcome: '{}' };
    },
    decision,
  );
  await reached.promise;
  const others = await Promise.all([
    decisions.resolve(operationId, async () => ({ to: 'failed', outcome: '{}' }), decision),
    decisions.redrive(operationId, { grantAttempts: 1 }, async () => {}, decision),
  ]);
  expect(others).toMatchObject([{ kind: 'not_now' }, { kind: 'not_now' }]);
  proceed.resolve();
  expect(await first).toMatchObject({ kind: 'done' });
});

test('only a queued attempt can be rescheduled', async () => {
  const store = db.store();
  const claimed = await store.claim(request());
  if (!claimed.won) throw new Error('lost');
  const end = { to: 'accepted', cause: 'rescheduled', delayMs: 0, lastError: '' } as const;
  await expect(store.settle(claimed.claim, end, trace)).rejects.toThrow(
    new TypeError('Only a queued attempt can be rescheduled'),
  );
  expect(await store.settle(claimed.claim, COMPLETED, trace)).toMatchObject({ kind: 'settled' });
});
