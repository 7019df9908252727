import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { bundleChild } from '../fixtures/bundle-child.ts';
import { type Answer, mutate } from '../fixtures/plain-client.ts';
import { createQueuedStage, type QueuedStage } from '../fixtures/queued-stage.ts';
import { createStage, type Effects, type ServerSettings, type Stage } from '../fixtures/stage.ts';
import { inLanes } from './lanes.ts';
import {
  QUEUED,
  QUEUED_ACCEPT,
  QUEUED_BEGINNING,
  QUEUED_ENDS,
  QUEUED_TAKEOVER,
  QUEUED_WITH_TRANSACTION,
  REDRIVE,
} from './points.ts';

// As crash-points.test.ts, for queued operations: the server that accepts, the worker and the operator's command are killed
// (-9) at every await. Those that survive know nothing of it but what is in the database. Each lane has a queue of its own,
// so that the worker that is to die gets the job that it is to die with.

/** Longer than a busy machine takes to get anywhere: leases of the dead are taken from them (`workOff`). */
const LEASE_MS = 30_000;
const LANES = 2;
/** For a machine that is hopelessly busy: each wait has an end of its own, and says what it was for. */
const TIMEOUT = { timeout: 600_000 };
const PAID: Effects = { orders: 0, payments: 1, reservations: 0, charges: 1 };

let stage: Stage;
let bundle: Awaited<ReturnType<typeof bundleChild>>;
let queued: QueuedStage;

beforeAll(async () => {
  [stage, bundle] = await Promise.all([createStage(inject('databaseUrl'), { slowMs: 450 }), bundleChild()]);
  queued = await createQueuedStage(stage, inject('databaseUrl'), { file: bundle.file, leaseMs: LEASE_MS });
});
afterEach(() => stage.putDown(queued.fronts));
afterAll(async () => {
  await queued?.close();
  bundle?.remove();
  await stage?.close();
});

interface Aftermath {
  readonly point: string;
  readonly key: string;
  readonly polled: Answer;
  readonly asked: Answer;
  readonly effects: Effects;
}
interface Flow {
  readonly name: string;
  readonly path: string;
  readonly input: object;
  /** What comes before those that are accepted, in one lane, can be worked on. */
  readonly prepare?: (operationIds: readonly string[], lane: number) => Promise<void>;
}

const laneOf = (n: number) => n % LANES;
const start = (lane: number, how: Pick<ServerSettings, 'crash' | 'doomed' | 'work'>) =>
  stage.start({ file: bundle.file, queue: queued.queueOf(lane), leaseMs: LEASE_MS, ...how });

/** The points of one job that nobody kills. */
async function pointsOf({ name, path, input, prepare }: Flow): Promise<string[]> {
  const operationId = await queued.accept(0, path, input, name);
  await prepare?.([operationId], 0);
  await queued.isNext(operationId);
  const child = await start(0, { crash: 'list' });
  child.send({ work: 1 });
  const { points } = await child.message((said) => said.points !== undefined, [operationId]);
  await child.kill();
  return points ?? [];
}

/** One worker dies at each point; then others work everything off. */
async function crashAtEach(points: readonly string[], flow: Flow): Promise<Aftermath[]> {
  const { name, path, input, prepare } = flow;
  const ids: string[] = [];
  await inLanes(LANES, points, async (_, n) => {
    ids[n] = await queued.accept(laneOf(n), path, input, `${name}-${n}`);
  });
  const lanes = Array.from({ length: LANES }, (_, lane) => ids.filter((_, n) => laneOf(n) === lane));
  if (prepare) await inLanes(LANES, lanes, prepare);
  await inLanes(LANES, points, async (point, n) => {
    const id = ids[n] ?? '';
    await queued.isNext(id);
    const child = await start(laneOf(n), { crash: point });
    child.send({ work: 1 });
    await child.died([id]);
    // Its last look for a job, if it has left, would find the next one's.
    await queued.silent(child);
  });
  return aftermathsOf(points, flow, ids);
}

async function aftermathsOf(
  points: readonly string[],
  { name, path, input }: Flow,
  ids: readonly string[],
): Promise<Aftermath[]> {
  await queued.workOff(ids);
  const aftermaths: Aftermath[] = [];
  for (const [n, point] of points.entries()) {
    const key = `${name}-${n}`;
    const [polled, asked] = await queued.answers(path, input, key, ids[n] ?? '');
    aftermaths.push({ point, key, polled, asked, effects: await stage.effects(key) });
  }
  return aftermaths;
}

function expectOnce({ point, key, polled, asked, effects }: Aftermath, wanted: Effects = PAID): void {
  expect(asked.status, `${point} of ${key}: ${JSON.stringify(asked.body)}`).toBe(200);
  expect(asked.headers.get('idempotency-replayed'), point).toBe('true');
  const { outcome } = polled.body.result.data;
  expect(outcome?.value?.json, `${point}: ${JSON.stringify(polled.body)}`).toEqual(asked.body.result.data);
  expect(effects, point).toEqual(wanted);
}

describe('killed at any await, queued work has its effects once, and one answer for who polls and who asks again', () => {
  test(
    'the server that accepts: 22 points, before the commit nothing, after it the job',
    TIMEOUT,
    async () => {
      const input = { amount: 1250 };
      const flow = { name: 'accept', path: 'queuedPay', input };
      const ids: string[] = [];
      const list = await start(0, { crash: 'list' });
      await mutate(list.url, flow.path, input, { key: 'accept' });
      const { points = [] } = await list.message((said) => said.points !== undefined);
      await list.kill();
      expect(points).toEqual(QUEUED_ACCEPT);
      expect(points.length).toBe(22);

      const [sent, answered] = ['COMMIT#1 sent', 'COMMIT#1 answered'].map((point) => points.indexOf(point));
      await inLanes(LANES, points, async (point, n) => {
        const key = `accept-${n}`;
        const child = await start(laneOf(n), { crash: point });
        await mutate(child.url, flow.path, input, { key }).catch(() => undefined);
        await child.died();
        const found = await queued.look(key);
        if (n < (sent ?? 0)) expect(found, point).toBe(undefined);
        else if (n >= (answered ?? 0)) expect(found, point).toEqual({ state: 'accepted', jobs: 1 });
        else if (found !== undefined) expect(found, point).toEqual({ state: 'accepted', jobs: 1 });
        ids[n] = await queued.accept(laneOf(n), flow.path, input, key);
      });
      for (const aftermath of await aftermathsOf(points, flow, ids)) expectOnce(aftermath);
    },
  );

  test('the worker, with a transaction, a step and a settlement: 46 points', TIMEOUT, async () => {
    const flow = { name: 'work', path: 'queuedPayReserved', input: { amount: 1250 } };
    const points = await pointsOf(flow);
    expect(points).toEqual(QUEUED_WITH_TRANSACTION);
    expect(points.length).toBe(46);
    for (const aftermath of await crashAtEach(points, flow))
      expectOnce(aftermath, { ...PAID, reservations: 1 });
  });

  test.for([
    ['plain', 'queuedPayPlain', {}, 6, { ...PAID, payments: 0 }],
    ['failed', 'queuedPay', { fails: 1 }, 15, PAID],
  ] as const)(
    'the worker, whose attempt ends otherwise: %s',
    TIMEOUT,
    async ([name, path, more, length, wanted]) => {
      const flow = { name, path, input: { amount: 1250, ...more } };
      const points = await pointsOf(flow);
      expect(points).toEqual(QUEUED_ENDS[name]);
      const ends = points.slice(QUEUED_BEGINNING);
      expect(ends.length).toBe(length);
      for (const aftermath of await crashAtEach(ends, flow)) expectOnce(aftermath, wanted);
    },
  );

  test('the worker whose attempt was the last: 6 points, a dead letter in each case', TIMEOUT, async () => {
    const flow = { name: 'exhausted', path: 'queuedPayOnce', input: { amount: 1250, fails: 1 } };
    const points = await pointsOf(flow);
    expect(points).toEqual(QUEUED_ENDS.exhausted);
    for (const { point, key, asked, effects } of await crashAtEach(points.slice(QUEUED_BEGINNING), flow)) {
      expect([asked.status, asked.code], point).toEqual([409, 'outcome_unknown']);
      expect(effects, point).toEqual({ ...PAID, payments: 0 });
      expect((await queued.look(key))?.state, point).toBe('dead');
    }
  });

  test('the worker that takes over from one that was killed: 35 points', TIMEOUT, async () => {
    const input = { amount: 1250, gate: 'after charge' };
    const flow: Flow = { name: 'takeover', path: 'queuedPay', input, prepare: orphan };
    const points = await pointsOf(flow);
    expect(points).toEqual(QUEUED_TAKEOVER);
    expect(points.length).toBe(35);
    // Before the start it is as with any other.
    const news = points.slice(points.indexOf('start#1 sent'));
    for (const aftermath of await crashAtEach(news, flow)) {
      expectOnce(aftermath);
      // The recorded step was never run again.
      expect((await requestsFor(aftermath.key)).length, aftermath.point).toBe(1);
    }
  });
});

/** Their first worker gets to the gate with all of them, and is killed there. */
async function orphan(operationIds: readonly string[], lane: number): Promise<void> {
  for (const id of operationIds) await queued.isNext(id);
  const child = await start(lane, { doomed: true, work: operationIds.length });
  for (const id of operationIds) {
    await child.message((said) => said.at !== undefined && said.id === id, [id]);
  }
  await child.kill();
  await queued.silent(child);
  await queued.loseLeases(operationIds);
  for (const id of operationIds) await queued.sendAgain(lane, id, randomUUID());
}

describe("killed at any await, a worker of work that must not be run again blindly ('suspend')", () => {
  const NOT_BEGUN = QUEUED.slice(0, QUEUED.indexOf('start#1 sent'));
  const COMMITTED = QUEUED.slice(QUEUED.indexOf('COMMIT#1 answered'));
  const EITHER = ['start#1 sent', 'COMMIT#1 sent'];

  test(
    'leaves it to be begun, done, or outcome_unknown; never a second effect: 35 points',
    TIMEOUT,
    async () => {
      const flow = { name: 'ask', path: 'queuedPayOrAsk', input: { amount: 1250 } };
      const points = await pointsOf(flow);
      expect(points).toEqual(QUEUED);
      expect(points.length).toBe(35);
      const unknown: string[] = [];
      for (const aftermath of await crashAtEach(points, flow)) {
        const { point, key, polled, asked, effects } = aftermath;
        if (asked.code !== 'outcome_unknown') {
          expectOnce(aftermath);
          continue;
        }
        if (!EITHER.includes(point)) unknown.push(point);
        expect(asked.status, point).toBe(409);
        expect(polled.body.result.data.state, point).toBe('suspended');
        expect(effects.payments, point).toBe(0);
        expect(effects.charges, point).toBeLessThanOrEqual(1);
        expect((await requestsFor(key)).length, point).toBeLessThanOrEqual(1);
      }
      const decided = points.filter((p) => ![...NOT_BEGUN, ...COMMITTED, ...EITHER].includes(p));
      // A worker that dies as its job ends may have fetched, and begun, the next: of those that died too early to begin theirs.
      const alsoBegun = unknown.filter((point) => NOT_BEGUN.includes(point));
      const endings = points.filter((point) => point.startsWith('end of job'));
      expect(alsoBegun.length, alsoBegun.join()).toBeLessThanOrEqual(endings.length);
      expect(unknown.filter((point) => !alsoBegun.includes(point)).toSorted()).toEqual(decided.toSorted());
    },
  );
});

describe('a dead letter that is redriven', () => {
  const input = { amount: 1250, fails: 1 };
  const path = 'queuedPayOnce';

  async function deadLetters(name: string, count: number): Promise<string[]> {
    const keys = Array.from({ length: count }, (_, n) => `${name}-${n}`);
    const ids = await Promise.all(keys.map((key, n) => queued.accept(laneOf(n), path, input, key)));
    // Nobody dies here, so all of them come to an end, and what is counted later is the redrive's own.
    await queued.workOff(ids, { jobs: 'too' });
    return ids;
  }
  /** By both at once. */
  const redrive = (id: string) =>
    Promise.all(
      queued.fronts.map(async (child) => {
        child.send({ redrive: id });
        const said = await child.message((said) => said.id === id && said.redriven !== undefined, [id]);
        return String(said.redriven);
      }),
    );
  const redrives = (id: string) =>
    stage.sql(`SELECT FROM {s}.decision WHERE operation_id = $1 AND action = 'redriven'`, [id]);

  test('by two processes at once, is redriven once: one job, one effect', TIMEOUT, async () => {
    const ids = await deadLetters('twice', 20);
    for (const [n, id] of ids.entries()) {
      expect(await queued.look(`twice-${n}`)).toMatchObject({ state: 'dead' });
      expect(new Set(await redrive(id))).toEqual(new Set(['done', 'not_now']));
      expect(await queued.look(`twice-${n}`)).toMatchObject({ state: 'accepted' });
      expect(await redrives(id)).toHaveLength(1);
    }
    const points = ids.map(() => 'nobody was killed');
    for (const aftermath of await aftermathsOf(points, { name: 'twice', path, input }, ids))
      expectOnce(aftermath);
    expect(await stage.history('twice-0')).toEqual([
      'absent -> accepted (enqueued, 0)',
      'accepted -> processing (started, 1)',
      'processing -> dead (exhausted, 1)',
      'dead -> accepted (redriven, 2)',
      'accepted -> processing (started, 3)',
      'processing -> completed (succeeded, 3)',
    ]);
  });

  test(
    'by a process that is killed at any await, stays dead or has its job; never neither: 24 points',
    TIMEOUT,
    async () => {
      const ids = await deadLetters('redrive', REDRIVE.length + 1);
      const [first = '', ...others] = ids.toReversed();
      const list = await start(0, { crash: 'list' });
      list.send({ redrive: first });
      const { points = [] } = await list.message((said) => said.points !== undefined);
      await list.kill();
      expect(points).toEqual(REDRIVE);
      expect(points.length).toBe(24);

      const targets = others.toReversed();
      const committed = points.indexOf('COMMIT#1 answered');
      const sent = points.indexOf('COMMIT#1 sent');
      await inLanes(LANES, points, async (point, n) => {
        const id = targets[n] ?? '';
        const child = await start(laneOf(n), { crash: point });
        child.send({ redrive: id });
        await child.died([id]);
        const found = await queued.look(`redrive-${n}`);
        if (n < sent) expect(found, point).toEqual({ state: 'dead', jobs: 0 });
        else if (n >= committed) expect(found, point).toEqual({ state: 'accepted', jobs: 1 });
        else
          expect(
            [
              { state: 'dead', jobs: 0 },
              { state: 'accepted', jobs: 1 },
            ],
            point,
          ).toContainEqual(found);
      });
      for (const [n, id] of targets.entries()) {
        const kinds = await redrive(id);
        if (n < sent) expect(new Set(kinds), points[n]).toEqual(new Set(['done', 'not_now']));
        if (n >= committed) expect(kinds, points[n]).toEqual(['not_now', 'not_now']);
        expect(await redrives(id), points[n]).toHaveLength(1);
      }
      for (const aftermath of await aftermathsOf(points, { name: 'redrive', path, input }, targets))
        expectOnce(aftermath);
    },
  );
});

test('after all that no job is left behind', TIMEOUT, async () => {
  for (const child of queued.fronts) child.send({ work: 2 });
  await expect.poll(() => queued.jobsLeft(), { timeout: 60_000, interval: 250 }).toBe(0);
});

/** What the provider was asked for this payment. */
async function requestsFor(key: string) {
  const [charge] = await stage.provider.charges(key);
  return charge?.idempotencyKey ? stage.provider.requests(charge.idempotencyKey) : [];
}
