// The attempt loop against the clock: scripted answers, no real time.
import { createTRPCClient, TRPCClientError } from '@trpc/client';
import { expect, it } from 'vitest';
import {
  createSemelClient,
  HttpAnswerError,
  outcomeOf,
  SemelClientError,
  type SemelClientOptions,
  type SemelEvent,
} from '../index.ts';
import { testClock } from '../test-rig/clock.ts';
import {
  networkError,
  problemError,
  type Scripted,
  scriptedLink,
  trpcError,
} from '../test-rig/scripted-link.ts';
import type { TestRouter } from '../test-rig/server.ts';

function rig(script: Scripted[], options: SemelClientOptions = {}) {
  const clock = testClock();
  const events: SemelEvent[] = [];
  const terminating = scriptedLink(script);
  const semel = createSemelClient({
    clock,
    random: () => 1,
    onEvent: (event) => events.push(event),
    ...options,
  });
  const client = createTRPCClient<TestRouter>({ links: [semel.link(), terminating.link as never] });
  const pay = (context: Record<string, unknown> = {}, signal?: AbortSignal) =>
    client.orders.create.mutate({ sku: 'a' }, { context, ...(signal && { signal }) });
  return {
    clock,
    semel,
    client,
    sent: terminating.sent,
    terminating,
    events,
    pay,
    waits: () => events.flatMap((event) => ('waitMs' in event ? [Math.round(event.waitMs)] : [])),
    outcome: (context?: Record<string, unknown>, signal?: AbortSignal) =>
      clock.drive(outcomeOf(() => pay(context, signal))),
  };
}
const lost: Scripted = { error: networkError() };
const ok: Scripted = { data: { id: 'order-1', sku: 'a' } };
const problem = (...args: Parameters<typeof problemError>): Scripted => ({ error: problemError(...args) });

it('sends one key on every attempt, its age from the second on', async () => {
  const { outcome, sent } = rig([lost, lost, ok], { retry: { baseMs: 2000 } });
  expect(await outcome({ idempotencyKey: 'k' })).toEqual({
    status: 'completed',
    data: { id: 'order-1', sku: 'a' },
    replayed: undefined,
    key: 'k',
  });
  expect(sent.map(({ key, ageMs }) => [key, ageMs])).toEqual([
    ['k', undefined],
    ['k', 2000],
    ['k', 6000],
  ]);
});

it('says at least one second for an attempt that comes right after', async () => {
  const { outcome, sent } = rig([lost, ok], { random: () => 0 });
  await outcome();
  expect(sent.map(({ ageMs }) => ageMs)).toEqual([undefined, 1000]);
});

it('counts a key’s age by the clock that says more', async () => {
  const { clock, outcome, sent } = rig([lost, lost, ok]);
  clock.jump(0);
  const done = outcome();
  clock.jump(-3_600_000); // set back an hour: the monotonic clock stands
  await done;
  expect(sent.map(({ ageMs }) => ageMs)).toEqual([undefined, 1000, 1000]);

  const slept = rig([lost, ok]);
  const later = slept.outcome();
  slept.clock.jump(7_200_000); // the machine slept two hours: the wall clock knows
  await later;
  expect(slept.sent[1]?.ageMs).toBe(7_201_000);
});

it('backs off with doubling jitter and gives up after five attempts, as unknown', async () => {
  const { outcome, sent, waits, events } = rig([lost]);
  const result = await outcome({ idempotencyKey: 'k' });
  expect(result).toMatchObject({ status: 'unknown', reason: 'network', key: 'k' });
  expect(sent).toHaveLength(5);
  expect(waits()).toEqual([250, 500, 1000, 2000]);
  expect(events.at(-1)).toEqual({
    type: 'settled',
    path: 'orders.create',
    key: 'k',
    status: 'unknown',
    attempts: 5,
    elapsedMs: 3750,
  });
});

it('throws that as a typed error under the TRPCClientError, with the last cause', async () => {
  const { clock, pay } = rig([lost]);
  const thrown = await clock.drive(pay({ idempotencyKey: 'k' }).catch((error: unknown) => error));
  expect(thrown).toBeInstanceOf(TRPCClientError);
  expect(SemelClientError.is(thrown)).toBe(false);
  const error = SemelClientError.from(thrown);
  expect(SemelClientError.is(error)).toBe(true);
  expect(error?.code).toBe('network');
  expect(error?.outcome).toMatchObject({ status: 'unknown', key: 'k' });
  expect(error?.cause).toMatchObject({ message: 'fetch failed' });
  expect(SemelClientError.from(new Error('other'))).toBeUndefined();
});

it('waits for an operation in flight on its own schedule, and not at the cost of attempts or budget', async () => {
  const held = problem('in_flight', { retryAfterMs: 0 });
  const { outcome, waits, sent } = rig([held, held, held, held, held, held, held, held, ok], {
    retry: { maxAttempts: 1, budget: { max: 0, refillPerSuccess: 0 } },
  });
  expect((await outcome()).status).toBe('completed');
  expect(waits()).toEqual([150, 240, 384, 614, 983, 1573, 2000, 2000]);
  expect(new Set(sent.map(({ key }) => key)).size).toBe(1);
});

it('takes the server’s time as the floor while it waits', async () => {
  const { outcome, waits } = rig(
    [problem('in_flight', { retryAfterMs: 1000 }), problem('lease_lost', { retryAfterMs: 0 }), ok],
    {
      random: () => 0,
    },
  );
  await outcome();
  expect(waits()).toEqual([1000, 240]);
});

it('reports in_flight when the deadline comes first', async () => {
  const { outcome, clock } = rig([problem('in_flight', { retryAfterMs: 700 })], {
    retry: { deadlineMs: 5000 },
  });
  expect(await outcome({ idempotencyKey: 'k' })).toMatchObject({
    status: 'in_flight',
    retryAfterMs: 700,
    key: 'k',
  });
  expect(clock.monotonic()).toBeLessThanOrEqual(5000);
});

it('never sleeps on a Retry-After beyond the limit or the deadline', async () => {
  const far = rig([problem('in_flight', { retryAfterMs: 61_000 })], { retry: { deadlineMs: 600_000 } });
  expect(await far.outcome()).toMatchObject({ status: 'in_flight', retryAfterMs: 61_000 });
  expect(far.clock.monotonic()).toBe(0);

  const busy = new HttpAnswerError(503, new Headers({ 'retry-after': '999999999999' }), '');
  const huge = rig([{ error: TRPCClientError.from(busy) }]);
  expect(await huge.outcome()).toMatchObject({ status: 'unknown', reason: 'server' });
  expect(huge.sent).toHaveLength(1);
  expect(huge.clock.timers).toBe(0);
});

it('polls an outcome nobody knows slowly within the deadline, then reports it as unknown', async () => {
  const { outcome, waits } = rig([problem('outcome_unknown', { retryAfterMs: 0 })]);
  expect(await outcome()).toMatchObject({ status: 'unknown', reason: 'outcome_unknown' });
  expect(waits()).toEqual([2000, 4000, 8000, 15_000, 15_000, 15_000]);
});

it.each(['key_expired', 'outcome_gone'] as const)(
  'reports %s at once, and never renews the key',
  async (code) => {
    const { outcome, sent } = rig([problem(code)]);
    expect(await outcome({ idempotencyKey: 'k' })).toMatchObject({
      status: 'unknown',
      reason: code,
      key: 'k',
    });
    expect(sent).toHaveLength(1);
  },
);

it('rethrows a refusal untouched, and keeps the key on key_reused', async () => {
  const reused = problemError('key_reused');
  const { clock, client, sent } = rig([{ error: reused }]);
  const input = { sku: 'a' };
  const call = () => client.orders.create.mutate(input);
  expect(await clock.drive(call().catch((error: unknown) => error))).toBe(reused);
  const outcome = await clock.drive(outcomeOf(call));
  expect(outcome).toMatchObject({ status: 'rejected', error: reused, problem: { code: 'key_reused' } });
  expect(sent).toHaveLength(2);
  expect(sent[0]?.key).toBe(sent[1]?.key);
});

it('takes a new key for the same input after a conclusive refusal', async () => {
  const { clock, client, sent } = rig([{ error: trpcError(402) }]);
  const input = { sku: 'a' };
  for (let i = 0; i < 2; i++) await clock.drive(client.orders.create.mutate(input).catch(() => {}));
  expect(sent[0]?.key).not.toBe(sent[1]?.key);
});

it('keeps the key for the same input after an unknown outcome: a TanStack retry asks again', async () => {
  const { clock, client, sent } = rig([lost, lost, lost, lost, lost, ok, ok]);
  const input = { sku: 'a' };
  await clock.drive(client.orders.create.mutate(input).catch(() => {}));
  await clock.drive(client.orders.create.mutate(input));
  expect(new Set(sent.map(({ key }) => key)).size).toBe(1);
  expect(sent[5]?.ageMs).toBe(4000);
  await clock.drive(client.orders.create.mutate(input));
  expect(sent[6]?.key).not.toBe(sent[5]?.key);
  expect(sent[6]?.ageMs).toBeUndefined();
});

it('doesn’t take "nothing was begun" for the end: of a request that a browser sends twice it is one copy’s answer', async () => {
  const down = problem('store_unavailable', { retryAfterMs: 0 });
  expect(await rig([down]).outcome()).toMatchObject({ status: 'unknown', reason: 'server' });
  expect(await rig([lost, down]).outcome()).toMatchObject({ status: 'unknown', reason: 'server' });
});

it('doesn’t take a refusal at the door for the answer to a lost attempt, and yet throws it untouched', async () => {
  const unauthorized = { error: trpcError(401) };
  const { clock, pay, semel } = rig([lost, unauthorized]);
  expect(await clock.drive(pay().catch((error: unknown) => error))).toBe(unauthorized.error);
  expect(await semel.journal.list()).toMatchObject([{ state: 'unknown', attempts: 2 }]);
  expect(await rig([lost, unauthorized]).outcome()).toMatchObject({ status: 'unknown', reason: 'refused' });
  expect(await rig([unauthorized]).outcome()).toMatchObject({ status: 'rejected' });
});

it.each(['in_flight', 'outcome_unknown'] as const)(
  'knows after %s that something was begun, whatever comes then',
  async (code) => {
    const begun = problem(code, { retryAfterMs: 0 });
    const unauthorized = { error: trpcError(401) };
    expect(await rig([begun, unauthorized]).outcome()).toMatchObject({
      status: 'unknown',
      reason: 'refused',
    });

    const { clock, pay, sent } = rig([begun]);
    const user = new AbortController();
    const input = { sku: 'a' };
    const outcome = outcomeOf(() => pay({ idempotencyKey: 'k' }, user.signal));
    await clock.advance(10);
    user.abort();
    expect(await outcome).toMatchObject({ status: 'unknown', reason: 'aborted', key: 'k' });
    expect(sent).toHaveLength(1);

    // And the same input is still the same action.
    const again = rig([begun, unauthorized, ok]);
    const call = () => again.client.orders.create.mutate(input).catch(() => {});
    await again.clock.drive(call());
    await again.clock.drive(call());
    expect(new Set(again.sent.map(({ key }) => key)).size).toBe(1);
  },
);

it('doesn’t wait for a journal that hangs longer than for an attempt, and says so', async () => {
  const { outcome, sent, events, clock } = rig([ok], {
    journal: { claim: () => new Promise(() => {}), update: () => {}, settle: () => {}, list: () => [] },
  });
  expect((await outcome()).status).toBe('completed');
  expect(clock.monotonic()).toBe(15_000);
  expect(sent).toHaveLength(1);
  expect(events[0]).toMatchObject({
    type: 'journal_error',
    error: { message: 'the journal takes too long' },
  });
});

it('stops a storm: the budget is shared by all calls, and a success gives a part back', async () => {
  const { outcome, sent } = rig([lost], { retry: { budget: { max: 5, refillPerSuccess: 0.1 } } });
  for (let i = 0; i < 10; i++) await outcome();
  expect(sent).toHaveLength(10 + 5);
});

it('gives up an attempt after its timeout and sends the same key again', async () => {
  const { outcome, sent, terminating, clock } = rig(['silence', ok], { random: () => 0 });
  expect((await outcome()).status).toBe('completed');
  expect(sent).toHaveLength(2);
  expect(sent[0]?.key).toBe(sent[1]?.key);
  expect(terminating.unsubscribed).toBe(1);
  expect(clock.monotonic()).toBe(15_000);
});

it('ends at the deadline even while an attempt is under way', async () => {
  const { outcome, clock } = rig(['silence'], { retry: { deadlineMs: 20_000 }, random: () => 0 });
  expect(await outcome()).toMatchObject({ status: 'unknown', reason: 'timeout' });
  expect(clock.monotonic()).toBe(20_000);
  expect(clock.timers).toBe(0);
});

it('rejects in the tick of an abort during backoff, sends nothing more and keeps the record', async () => {
  const { clock, pay, sent, semel, events } = rig([lost]);
  const user = new AbortController();
  const thrown = pay({ idempotencyKey: 'k' }, user.signal).catch((error: unknown) => error);
  await clock.advance(100);
  expect(sent).toHaveLength(1);
  user.abort();
  expect(await thrown).toMatchObject({ cause: user.signal.reason });
  await clock.advance(100_000);
  expect(sent).toHaveLength(1);
  expect(clock.timers).toBe(0);
  expect(await semel.journal.list()).toMatchObject([{ key: 'k', attempts: 1, state: 'unknown' }]);
  expect(events.at(-1)).toMatchObject({ type: 'settled', status: 'unknown' });
});

it('rejects in the tick of an abort in mid-flight', async () => {
  const { pay, terminating, clock } = rig(['silence']);
  const user = new AbortController();
  const thrown = pay({}, user.signal).catch((error: unknown) => error);
  await clock.advance(10);
  user.abort(new Error('closed the page'));
  expect(await thrown).toMatchObject({ message: 'closed the page' });
  expect(terminating.unsubscribed).toBe(1);
});

it('sends nothing for a signal that is aborted already', async () => {
  const { outcome, sent, semel } = rig([ok]);
  expect((await outcome({}, AbortSignal.abort())).status).toBe('rejected');
  expect(sent).toHaveLength(0);
  expect(await semel.journal.list()).toEqual([]);
});

it('rejects at once when it is aborted while a slow journal still writes', async () => {
  const { clock, pay, sent } = rig([ok], {
    journal: {
      claim: () => new Promise(() => {}),
      update: () => {},
      settle: () => {},
      list: () => [],
    },
  });
  const user = new AbortController();
  const thrown = pay({}, user.signal).catch((error: unknown) => error);
  await clock.advance(10);
  user.abort();
  expect(await thrown).toMatchObject({ cause: user.signal.reason });
  expect(sent).toHaveLength(0);
});

it('refuses a key that no carrier takes, before anything is sent', async () => {
  const { outcome, sent } = rig([ok]);
  const refused = await outcome({ idempotencyKey: 'two words' });
  expect(refused).toMatchObject({ status: 'rejected', error: { cause: { name: 'TypeError' } } });
  expect(sent).toHaveLength(0);
});

it('goes on with a key that is in the journal as one that was sent before', async () => {
  const { outcome, sent } = rig([lost, lost, lost, lost, lost, ok]);
  const first = await outcome({ idempotencyKey: 'k' });
  expect(first.status).toBe('unknown');
  expect((await outcome({ idempotencyKey: 'k' })).status).toBe('completed');
  // Its age is the key's, not the call's.
  expect(sent[5]?.ageMs).toBe(4000);
});

it('polls an accepted operation and resolves with the handler’s own output', async () => {
  const accepted = { data: { $idempotency: 'accepted', operationId: 'op-1', pollAfterMs: 500 } };
  const { outcome, sent, clock } = rig([
    accepted,
    { data: { state: 'accepted', retryAfterMs: 300 } },
    { error: networkError() },
    { data: { state: 'processing' } },
    { data: { state: 'completed' } },
    ok,
  ]);
  expect(await outcome({ idempotencyKey: 'k' })).toMatchObject({
    status: 'completed',
    data: { id: 'order-1' },
  });
  expect(sent.map(({ type, path, key }) => [type, path, key])).toEqual([
    ['mutation', 'orders.create', 'k'],
    ['query', 'idempotency.status', undefined],
    ['query', 'idempotency.status', undefined],
    ['query', 'idempotency.status', undefined],
    ['query', 'idempotency.status', undefined],
    ['mutation', 'orders.create', 'k'],
  ]);
  expect(sent[1]?.op.input).toEqual({ operationId: 'op-1' });
  expect(clock.monotonic()).toBe(500 + 300 + 240 + 384);
});

it('asks the call itself where there is no status query', async () => {
  const accepted = { data: { $idempotency: 'accepted', operationId: 'op-1', pollAfterMs: 500 } };
  const { outcome } = rig([accepted, { error: trpcError(404) }, accepted, { error: trpcError(404) }, ok]);
  expect((await outcome()).status).toBe('completed');
});

it('hands out accepted where it isn’t to wait, and waits when asked to', async () => {
  const accepted = { data: { $idempotency: 'accepted', operationId: 'op-1', pollAfterMs: 500 } };
  const { clock, outcome } = rig([accepted, { data: { state: 'completed' } }, ok], {
    accepted: { wait: false },
  });
  const first = await outcome({ idempotencyKey: 'k' });
  expect(first).toMatchObject({ status: 'accepted', operationId: 'op-1', key: 'k' });
  if (first.status !== 'accepted') throw new Error('unreachable');
  expect(await clock.drive(first.wait())).toMatchObject({
    status: 'completed',
    data: { id: 'order-1' },
    key: 'k',
  });
});

it('gives up waiting for accepted work at its own deadline', async () => {
  const accepted = { data: { $idempotency: 'accepted', operationId: 'op-1', pollAfterMs: 500 } };
  const { outcome, clock } = rig([accepted, { data: { state: 'processing' } }], {
    accepted: { deadlineMs: 90_000 },
  });
  expect(await outcome()).toMatchObject({ status: 'accepted', operationId: 'op-1' });
  expect(clock.monotonic()).toBeGreaterThan(60_000);
  expect(clock.monotonic()).toBeLessThanOrEqual(90_000);
});

it('is told that accepted work waits for a decision, when nobody has decided by its deadline for a call', async () => {
  const accepted = { data: { $idempotency: 'accepted', operationId: 'op-1', pollAfterMs: 500 } };
  const undecided = problem('outcome_unknown', { retryAfterMs: 20_000 });
  const { outcome, clock } = rig([accepted, { data: { state: 'dead' } }, undecided, undecided, undecided], {
    retry: { deadlineMs: 30_000 },
  });
  expect(await outcome()).toMatchObject({ status: 'unknown', reason: 'outcome_unknown' });
  expect(clock.monotonic()).toBeLessThanOrEqual(40_000);
});

it('is not disturbed by a listener or a journal that throws', async () => {
  const broken = () => {
    throw new Error('broken');
  };
  const errors: unknown[] = [];
  const { outcome, semel } = rig([ok], {
    journal: { claim: broken, update: broken, settle: async () => broken(), list: broken },
    onEvent: broken,
  });
  semel.on('attempt', broken);
  semel.on('journal_error', ({ error }) => errors.push((error as Error).message));
  expect((await outcome()).status).toBe('completed');
  await Promise.resolve();
  expect(errors).toEqual(['broken', 'broken', 'broken']);
});

it('ends listening when told to', async () => {
  const { outcome, semel } = rig([ok]);
  let heard = 0;
  const off = semel.on('settled', () => void heard++);
  await outcome();
  off();
  await outcome();
  expect(heard).toBe(1);
});
