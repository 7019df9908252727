import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { bundleChild } from '../fixtures/bundle-child.ts';
import { type Answer, mutate, mutateFirmly } from '../fixtures/plain-client.ts';
import { answered, createStage, type Effects, type ServerChild, type Stage } from '../fixtures/stage.ts';
import { inLanes } from './lanes.ts';
import {
  ATOMIC,
  ATOMIC_REFUSED,
  LEASED,
  LEASED_PLAIN,
  LEASED_WITH_TRANSACTION,
  RENEWAL,
  TAKEOVER,
} from './points.ts';

// A server is killed (-9) at every await of a call that has I/O behind it: enumerated by fixtures/crash-points.ts, not
// sampled. Then the same key is asked of two servers that never saw it, which is all that a restarted one is.

const LEASE_MS = 600;
/** Boots at a time: the machine's, not the product's, limit. */
const LANES = 2;
/** For a machine that is hopelessly busy: each wait has an end of its own, and says what it was for. */
const TIMEOUT = { timeout: 600_000 };

let stage: Stage;
let bundle: Awaited<ReturnType<typeof bundleChild>>;
let survivors: readonly [ServerChild, ServerChild];

beforeAll(async () => {
  [stage, bundle] = await Promise.all([createStage(inject('databaseUrl'), { slowMs: 450 }), bundleChild()]);
  const { file } = bundle;
  survivors = await Promise.all([stage.start({ file }), stage.start({ file })]);
});
afterEach(() => stage.putDown(survivors));
afterAll(async () => {
  bundle?.remove();
  await stage?.close();
});

/** What one crash led to. */
interface Aftermath {
  readonly point: string;
  readonly key: string;
  /** Only where the crash came after the answer had left. */
  readonly first: Answer | undefined;
  readonly second: Answer;
  readonly third: Answer;
  readonly effects: Effects;
}

/** The points of one call that nobody kills. */
async function pointsOf(path: string, input: unknown, key: string, status = 200): Promise<string[]> {
  // No renewal in between.
  const child = await stage.start({ file: bundle.file, crash: 'list', leaseMs: 30_000 });
  const answer = await mutate(child.url, path, input, { key });
  expect(answer.status).toBe(status);
  const { points } = await child.message((message) => message.points !== undefined);
  await child.kill();
  return points ?? [];
}

/** One child per point; its aftermath is looked at while the next boots. */
async function crashAtEach(
  points: readonly string[],
  path: string,
  input: unknown,
  keyOf: (n: number) => string,
) {
  const aftermaths: Promise<Aftermath>[] = [];
  await inLanes(LANES, points, async (point, n) => {
    const key = keyOf(n);
    const child = await stage.start({ file: bundle.file, crash: point, leaseMs: LEASE_MS });
    const first = await mutate(child.url, path, input, { key }).catch(() => undefined);
    await child.died();
    aftermaths.push(
      (async () => {
        const second = await mutateFirmly(survivors[0].url, path, input, { key });
        const third = await mutateFirmly(survivors[1].url, path, input, { key });
        return { point, key, first, second, third, effects: await stage.effects(key) };
      })(),
    );
  });
  return Promise.all(aftermaths);
}

function expectOnce(
  { point, first, second, third, effects }: Aftermath,
  wanted: Effects,
  status = 200,
): void {
  expect(second.status, `${point}: ${JSON.stringify(second.body)}`).toBe(status);
  expect(answered(third), point).toEqual(answered(second));
  if (first) expect(answered(first), point).toEqual(answered(second));
  expect(third.headers.get('idempotency-replayed'), point).toBe('true');
  expect(effects, point).toEqual(wanted);
}

describe('killed at any await and asked again, a call has its effect once and one answer', () => {
  const ORDERED: Effects = { orders: 1, payments: 0, reservations: 0, charges: 0 };
  const PAID: Effects = { orders: 0, payments: 1, reservations: 0, charges: 1 };

  test('atomic: 18 points', TIMEOUT, async () => {
    const input = { sku: 'book' };
    const points = await pointsOf('order', input, 'atomic');
    expect(points).toEqual(ATOMIC);
    expect(points.length).toBe(18);
    const aftermaths = await crashAtEach(points, 'order', input, (n) => `atomic-${n}`);
    for (const aftermath of aftermaths) expectOnce(aftermath, ORDERED);
  });

  test('atomic, refused: 21 points', TIMEOUT, async () => {
    const input = { sku: 'sold-out' };
    const points = await pointsOf('order', input, 'refused', 409);
    expect(points).toEqual(ATOMIC_REFUSED);
    expect(points.length).toBe(21);
    const aftermaths = await crashAtEach(points, 'order', input, (n) => `refused-${n}`);
    for (const aftermath of aftermaths) expectOnce(aftermath, { ...ORDERED, orders: 0 }, 409);
  });

  test('leased: 30 points', TIMEOUT, async () => {
    const input = { amount: 1250 };
    const points = await pointsOf('pay', input, 'leased');
    expect(points).toEqual(LEASED);
    expect(points.length).toBe(30);
    const aftermaths = await crashAtEach(points, 'pay', input, (n) => `leased-${n}`);
    for (const aftermath of aftermaths) expectOnce(aftermath, PAID);
  });

  test('leased with a transaction: 41 points', TIMEOUT, async () => {
    const input = { amount: 1250 };
    const points = await pointsOf('payReserved', input, 'reserved');
    expect(points).toEqual(LEASED_WITH_TRANSACTION);
    expect(points.length).toBe(41);
    const aftermaths = await crashAtEach(points, 'payReserved', input, (n) => `reserved-${n}`);
    for (const aftermath of aftermaths) expectOnce(aftermath, { ...PAID, reservations: 1 });
  });

  test('leased, settled by a commit of its own: 19 points', TIMEOUT, async () => {
    const input = { amount: 1250 };
    const points = await pointsOf('payPlain', input, 'plain');
    expect(points).toEqual(LEASED_PLAIN);
    expect(points.length).toBe(19);
    const aftermaths = await crashAtEach(points, 'payPlain', input, (n) => `plain-${n}`);
    for (const aftermath of aftermaths) expectOnce(aftermath, { ...PAID, payments: 0 });
  });

  test('leased, while the lease is renewed: 3 points', TIMEOUT, async () => {
    const input = { amount: 1250, customer: 'cus_slow' };
    const aftermaths = await crashAtEach(RENEWAL, 'pay', input, (n) => `renewal-${n}`);
    for (const aftermath of aftermaths) expectOnce(aftermath, PAID);
  });

  test('leased, killed again while it takes over: 36 points', TIMEOUT, async () => {
    const input = { amount: 1250, gate: 'after charge' };
    const keys = ['takeover', ...TAKEOVER.map((_, n) => `takeover-${n}`)];
    await orphan('pay', input, keys);
    const points = await pointsOf('pay', input, 'takeover');
    expect(points).toEqual(TAKEOVER);
    expect(points.length).toBe(36);
    const aftermaths = await crashAtEach(points, 'pay', input, (n) => `takeover-${n}`);
    for (const aftermath of aftermaths) expectOnce(aftermath, PAID);
    // The recorded step was never run again: the provider was asked once for each.
    const asked = await Promise.all(keys.map(async (key) => (await requestsFor(key)).length));
    expect(Math.max(...asked)).toBe(1);
  });
});

describe("killed at any await, a call that must not be run again blindly ('suspend')", () => {
  // Before the claim has left, nothing was begun: the retry is the first call.
  const NOT_BEGUN = LEASED.slice(0, LEASED.indexOf('claim#1 sent'));
  const COMMITTED = LEASED.slice(LEASED.indexOf('COMMIT#1 answered'));
  // What was sent may arrive or not, and a flight whose COMMIT is in the kernel commits or not.
  const EITHER = ['claim#1 sent', 'COMMIT#1 sent'];

  test(
    'runs, ends in outcome_unknown, or is replayed; never a second effect: 30 points',
    TIMEOUT,
    async () => {
      const input = { amount: 1250 };
      const points = await pointsOf('payOrAsk', input, 'suspend');
      expect(points).toEqual(LEASED);
      const aftermaths = await crashAtEach(points, 'payOrAsk', input, (n) => `suspend-${n}`);
      const unknown: string[] = [];
      for (const aftermath of aftermaths) {
        const { point, key, second, third, effects } = aftermath;
        if (second.code !== 'outcome_unknown') {
          expectOnce(aftermath, { orders: 0, payments: 1, reservations: 0, charges: 1 });
          continue;
        }
        if (!EITHER.includes(point)) unknown.push(point);
        expect([second.status, third.status, third.code], point).toEqual([409, 409, 'outcome_unknown']);
        expect(effects.payments, point).toBe(0);
        expect(effects.charges, point).toBeLessThanOrEqual(1);
        expect((await requestsFor(key)).length, point).toBeLessThanOrEqual(1);
        const [stored] = await stage.sql('SELECT state, attempt FROM {s}.operation WHERE key = $1', [key]);
        expect(stored, point).toEqual({ state: 'suspended', attempt: 1 });
      }
      const decided = points.filter((p) => ![...NOT_BEGUN, ...COMMITTED, ...EITHER].includes(p));
      expect(unknown.toSorted()).toEqual(decided.toSorted());
    },
  );
});

/** Calls that got as far as their gate when their server was killed. */
async function orphan(path: string, input: unknown, keys: readonly string[]): Promise<void> {
  const child = await stage.start({ file: bundle.file, leaseMs: LEASE_MS });
  const calls = keys.map((key) => mutate(child.url, path, input, { key }).catch(() => undefined));
  for (let there = 0; there < keys.length; there++)
    await child.message((message) => message.at !== undefined);
  await child.kill();
  await Promise.all(calls);
  await expect
    .poll(() => stage.sql('SELECT key FROM {s}.operation WHERE lease_until > clock_timestamp()'), {
      timeout: 10_000,
    })
    .toEqual([]);
}

/** What the provider was asked for this payment, also what the stripe client repeated by itself. */
async function requestsFor(key: string) {
  const [charge] = await stage.provider.charges(key);
  return charge?.idempotencyKey ? stage.provider.requests(charge.idempotencyKey) : [];
}
