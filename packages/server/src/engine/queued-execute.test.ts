import { describe, expect, test, vi } from 'vitest';
import { createMemoryJobs } from '../jobs/memory-jobs.ts';
import { createMemoryStore } from '../store/memory.ts';
import { HttpError, startQueued } from './queued.fixture.ts';

const job = (operationId: string, procedure = 'pay') => ({
  v: 1 as const,
  operationId,
  scope: 'alice',
  procedure,
});

test('a job that comes before its time, or once too often, does not cut the backoff short', async () => {
  const time = { now: 1_800_000_000_000 };
  const memory = createMemoryJobs();
  const sent: { readonly id: string; readonly delayMs: number }[] = [];
  const { call, run, side, idOf, recordOf, semel } = await startQueued({
    store: createMemoryStore({ clock: () => time.now }),
    jobs: {
      ...memory,
      send: async (tx, sending, options) => {
        if (tx === undefined) sent.push(options);
        return memory.send(tx, sending, options);
      },
    },
    policy: { backoff: { minMs: 3_600_000, maxMs: 3_600_000 }, maxAttempts: 3 },
  });
  const random = vi.spyOn(Math, 'random').mockReturnValue(0.5);
  run(() => {
    throw new Error('the bank is away');
  });
  const id = idOf(await call('k'));
  expect(await side().execute(job(id))).toBe('ran');
  random.mockRestore();
  // Its worker died before the queue was told: the same job once more, and one that somebody's healing sent.
  expect([await side().execute(job(id)), await side().execute(job(id))]).toEqual(['early', 'early']);
  expect(await recordOf(id)).toMatchObject({ state: 'accepted', attempt: 1 });
  // The next attempt's own, and each that came too soon: put back, because it may have been the only one.
  expect(sent.map(({ delayMs }) => delayMs)).toEqual([1_800_000, 1_800_000, 1_800_000]);
  expect(new Set(sent.map((options) => options.id)).size).toBe(3);
  time.now += 1_800_000;
  expect(await side().execute(job(id))).toBe('ran');
  expect(await recordOf(id)).toMatchObject({ attempt: 2 });
  await semel.close();
});

test("a guard's final no is stored and replayed", async () => {
  const { call, run, worker, semel, settled } = await startQueued();
  run(() => {
    throw new HttpError(403, 'not any more');
  });
  const first = await call('k');
  worker();
  await settled(first);
  expect(await call('k')).toMatchObject({
    kind: 'failed',
    error: { httpStatus: 403, message: 'not any more' },
    replayed: true,
  });
  await semel.close();
});

test('what fails for now is tried again with backoff, and its owner decides when the attempts are used up', async () => {
  const backoff = { minMs: 8, maxMs: 20 };
  const { call, run, worker, semel, reaches, events, store, idOf } = await startQueued({
    policy: { maxAttempts: 4, backoff, deadLetterOwner: 'payments' },
  });
  const attempts: number[] = [];
  run(({ attempt }) => {
    attempts.push(attempt);
    throw new Error(`away ${attempt}`);
  });
  const first = await call('k');
  worker();
  await reaches(first, 'dead');
  expect(attempts).toEqual([1, 2, 3, 4]);
  const delays = events.flatMap((event) => (event.type === 'rescheduled' ? [event.delayMs] : []));
  expect(delays).toHaveLength(3);
  for (const [index, delay] of delays.entries()) {
    expect(delay).toBeGreaterThanOrEqual(0);
    expect(delay).toBeLessThan([8, 16, 20][index] ?? 0);
  }
  expect(events.findLast(({ type }) => type === 'dead')).toMatchObject({
    attempt: 4,
    deadLetterOwner: 'payments',
  });
  expect(await store.queue.work(idOf(first))).toMatchObject({ lastError: '{"text":"away 4"}' });
  await semel.close();
});

test('a step whose result nobody knows is suspended, and tried again where effects are in steps', async () => {
  const unknown = await startQueued();
  unknown.run(({ step }) => step('charge', () => Promise.reject(new Error('socket hang up'))));
  const first = await unknown.call('k');
  unknown.worker();
  const { operationId } = await unknown.reaches(first, 'suspended');
  expect((await unknown.semel.decisions.show(operationId))?.operation).toMatchObject({
    attempt: 1,
    lastError: "step 'charge': socket hang up",
    failedStep: { name: 'charge', childKey: expect.stringMatching(/^[\w-]{43}$/) },
  });
  await unknown.semel.close();

  const steps = await startQueued({ policy: { effects: 'steps' } });
  const keys: string[] = [];
  steps.run(({ step, attempt }) =>
    step('charge', async (childKey) => {
      keys.push(childKey);
      if (attempt === 1) throw new Error('socket hang up');
      return 'charged';
    }),
  );
  const second = await steps.call('k');
  steps.worker();
  await steps.settled(second);
  expect(keys).toHaveLength(2);
  expect(new Set(keys).size).toBe(1);
  await steps.semel.close();
});

test('one job delivered twice at once runs once', async () => {
  const { call, run, side, idOf } = await startQueued();
  let runs = 0;
  run(() => ++runs);
  const id = idOf(await call('k'));
  const executed = await Promise.all([
    side().execute(job(id)),
    side().execute(job(id)),
    side().execute(job(id)),
  ]);
  expect(executed.toSorted()).toEqual(['not_now', 'not_now', 'ran']);
  expect(await side().execute(job(id))).toBe('not_now');
  expect(runs).toBe(1);
});

test('a worker that wakes up after it was given up changes nothing, and what it brought is kept', async () => {
  const time = { now: 1_800_000_000_000 };
  const store = createMemoryStore({ clock: () => time.now });
  const { call, run, side, idOf, recordOf, types } = await startQueued({
    store,
    policy: { effects: 'steps', leaseMs: 60_000 },
  });
  const paused = Promise.withResolvers<string>();
  run(({ attempt }) => (attempt === 1 ? paused.promise : 'by the second'));
  const first = await call('k');
  const id = idOf(first);
  const zombie = side().execute(job(id));
  await vi.waitFor(async () => expect((await recordOf(id)).state).toBe('processing'));
  time.now += 60_001;
  expect(await side().execute(job(id))).toBe('ran');
  paused.resolve('by the first');
  await zombie;
  expect(await call('k')).toMatchObject({ kind: 'completed', value: 'by the second' });
  expect(await store.rejected(id)).toMatchObject([
    { attemptedState: 'completed', attemptedAttempt: 1, evidence: expect.stringContaining('by the first') },
  ]);
  expect(types()).toContain('fenced');
});

describe('a worker that does not have the procedure', () => {
  test('puts the job back for another, and spends no attempt', async () => {
    const jobs = createMemoryJobs();
    const delays: number[] = [];
    const { call, semel, worker, events, recordOf } = await startQueued({
      jobs: {
        ...jobs,
        send: (tx, sent, options) => {
          if (tx === undefined) delays.push(options.delayMs);
          return jobs.send(tx, sent, options);
        },
      },
    });
    const first = await call('k');
    worker({ without: true });
    await vi.waitFor(() => expect(delays).toHaveLength(1));
    expect(delays[0]).toBeGreaterThanOrEqual(5000);
    expect(delays[0]).toBeLessThanOrEqual(30_000);
    expect(await recordOf(first)).toMatchObject({ state: 'accepted', attempt: 0 });
    expect(events.map(({ type }) => type)).toContain('unknown_procedure');
    await semel.close();
  });

  test('never ends what it can not run, though callers of an older server ask about it', async () => {
    const { call, run, policy, semel, idOf, recordOf, side } = await startQueued();
    run(() => 'by a worker that has it');
    const id = idOf(await call('k'));
    const without = semel.engine.workerSide(new Map());
    for (let i = 0; i < 5; i++) expect(await without.execute(job(id))).toBe('elsewhere');
    const older = [{ mode: 'leased', backoff: undefined as never }, { mode: 'atomic' }] as const;
    for (const before of older) {
      policy(before);
      expect(await call('k')).toMatchObject({ kind: 'refused', problem: { code: 'in_flight' } });
    }
    expect(await recordOf(id)).toMatchObject({ state: 'accepted', attempt: 0, version: 1 });
    policy({ mode: 'queued' });
    expect(await side().execute(job(id))).toBe('ran');
    expect(await call('k')).toMatchObject({ kind: 'completed', value: 'by a worker that has it' });
    await semel.close();
  });

  test('gives its owner what was tried and nobody has had the procedure of for a whole window', async () => {
    const time = { now: 1_800_000_000_000 };
    const { call, run, semel, idOf, recordOf, side, events } = await startQueued({
      store: createMemoryStore({ clock: () => time.now }),
      policy: { effects: 'steps', downstreamWindowMs: 3_600_000, deadLetterOwner: 'payments' },
    });
    run(() => {
      throw new Error('the bank is away');
    });
    const [id, untried] = [idOf(await call('k')), idOf(await call('other'))];
    expect(await side().execute(job(id))).toBe('ran');
    const without = semel.engine.workerSide(new Map());
    time.now += 3_599_000;
    expect(await without.execute(job(id))).toBe('elsewhere');
    expect(await recordOf(id)).toMatchObject({ state: 'accepted', attempt: 1 });
    time.now += 1_001;
    expect(await without.execute(job(id))).toBe('ran');
    expect(await recordOf(id)).toMatchObject({ state: 'dead', attempt: 2 });
    expect((await semel.decisions.show(id))?.operation.lastError).toBe('This worker has no procedure pay');
    expect(events.findLast(({ type }) => type === 'dead')).toMatchObject({
      operationId: id,
      attempt: 2,
      deadLetterOwner: 'payments',
    });
    // What nobody has begun waits for its procedure for ever: it can be cancelled, and nothing of it is unknown.
    expect(await without.execute(job(untried))).toBe('elsewhere');
    expect(await semel.decisions.cancel(untried, { actor: 'operator:a', reason: 'no' })).toMatchObject({
      kind: 'done',
    });
    await semel.close();
  });

  test('forgets jobs of operations that are over', async () => {
    const { call, semel, idOf } = await startQueued();
    const id = idOf(await call('k'));
    await semel.decisions.cancel(id, { actor: 'operator:a', reason: 'no' });
    const side = semel.engine.workerSide(new Map());
    expect(await side.execute(job(id))).toBe('not_now');
    expect(await side.execute(job('nobody'))).toBe('absent');
  });
});

test('a job that names another procedure than the record has is run as the record says', async () => {
  const { call, run, idOf, procedures, semel, settled } = await startQueued();
  run(() => 'as recorded');
  const first = await call('k');
  const lied = new Map([...procedures(), ['other', { ...procedures().get('pay'), name: 'other' } as never]]);
  expect(await semel.engine.workerSide(lied).execute(job(idOf(first), 'other'))).toBe('ran');
  expect(await settled(first)).toMatchObject({ state: 'completed', procedure: 'pay' });
});

test('runs under what was accepted, though today says otherwise', async () => {
  const { call, run, policy, worker, semel, reaches } = await startQueued({ policy: { maxAttempts: 2 } });
  let runs = 0;
  run(() => {
    runs++;
    throw new Error('away');
  });
  const first = await call('k');
  policy({ maxAttempts: 9 });
  worker();
  await reaches(first, 'dead');
  expect(runs).toBe(2);
  await semel.close();
});

test('a procedure that is not queued any more still runs what was accepted', async () => {
  const { call, run, policy, side, idOf, settled } = await startQueued();
  run(({ mode }) => mode);
  const first = await call('k');
  policy({ mode: 'leased', backoff: undefined as never });
  expect(await side().execute(job(idOf(first)))).toBe('ran');
  expect(await settled(first)).toMatchObject({ state: 'completed', policy: { mode: 'queued' } });
  expect(await call('k')).toMatchObject({ kind: 'completed', value: 'leased' });
});

test('an output that can not be stored leaves a tombstone, and its job is done with', async () => {
  const { call, run, side, idOf, recordOf } = await startQueued();
  run(() => ({ $idempotency: 'accepted' }));
  const first = await call('k');
  expect(await side().execute(job(idOf(first)))).toBe('ran');
  expect(await recordOf(first)).toMatchObject({ state: 'completed' });
  expect(await call('k')).toMatchObject({ kind: 'refused', problem: { code: 'outcome_gone' } });
});

describe('what fails before the handler is reached', () => {
  /** A worker whose guards throw this before the handler begins. */
  async function guarded(error: unknown, policy: { maxAttempts: number }) {
    const time = { now: 1_800_000_000_000 };
    const store = createMemoryStore({ clock: () => time.now });
    const { procedures, ...queued } = await startQueued({ store, policy: { effects: 'steps', ...policy } });
    const first = await queued.call('k');
    const pay = procedures().get('pay');
    if (pay === undefined) throw new Error('there is no procedure pay');
    const stopped: typeof pay = {
      ...pay,
      begin: (work) => ({
        ...pay.begin(work),
        hasReached: () => false,
        handle: () => Promise.reject(error),
      }),
    };
    const id = queued.idOf(first);
    const execute = (procedure: typeof pay) => {
      // Past the longest pause: each is due by then.
      time.now += 300_000;
      return queued.semel.engine.workerSide(new Map([['pay', procedure]])).execute(job(id));
    };
    return { ...queued, id, stopped, pay, execute };
  }

  test('uses up none of its attempts, at a pace that an outage of an hour does not outlast', async () => {
    const { execute, stopped, pay, id, recordOf, run, events } = await guarded(
      new Error('the users are away'),
      {
        maxAttempts: 2,
      },
    );
    for (let i = 0; i < 40; i++) await execute(stopped);
    expect(await recordOf(id)).toMatchObject({
      state: 'accepted',
      attempt: 40,
      policy: { maxAttempts: 42 },
    });
    const told = events.flatMap((event) => (event.type === 'rescheduled' ? [event] : []));
    expect(told.map(({ uncounted }) => uncounted)).toEqual(Array(40).fill(true));
    // Full jitter below one second doubled, and at last five minutes, though the policy says a millisecond.
    expect(Math.max(...told.map(({ delayMs }) => delayMs))).toBeGreaterThan(60_000);
    run(() => {
      throw new Error('the bank is away');
    });
    await execute(pay);
    await execute(pay);
    expect(await recordOf(id)).toMatchObject({ state: 'dead', attempt: 42 });
  });

  test('ends in a dead letter all the same, after a hundred runs', async () => {
    const { execute, stopped, id, recordOf } = await guarded(new HttpError(503), { maxAttempts: 1 });
    for (let i = 0; i < 100; i++) await execute(stopped);
    expect(await recordOf(id)).toMatchObject({ state: 'accepted', attempt: 100 });
    await execute(stopped);
    expect(await recordOf(id)).toMatchObject({ state: 'dead', attempt: 101 });
  });

  test.each([
    [401, { state: 'dead', attempt: 1 }],
    [429, { state: 'dead', attempt: 1 }],
    [403, { state: 'failed', attempt: 1 }],
  ])('is a verdict where it says %d', async (status, record) => {
    const { execute, stopped, id, recordOf } = await guarded(new HttpError(status), { maxAttempts: 1 });
    await execute(stopped);
    expect(await recordOf(id)).toMatchObject(record);
  });

  test('may be the beginning itself', async () => {
    const { execute, stopped, id, recordOf } = await guarded(undefined, { maxAttempts: 1 });
    const begin = () => {
      throw new Error('no such user');
    };
    await execute({ ...stopped, begin });
    expect(await recordOf(id)).toMatchObject({ state: 'accepted', attempt: 1, policy: { maxAttempts: 2 } });
  });
});

test('an input that nobody can parse is suspended, with an alert', async () => {
  const store = createMemoryStore();
  const { call, side, idOf, recordOf, events } = await startQueued({
    store: {
      ...store,
      queue: {
        ...store.queue,
        enqueue: (request, send) =>
          store.queue.enqueue({ ...request, work: { ...request.work, input: '{cut off' } }, send),
      },
    },
  });
  const first = await call('k');
  expect(await side().execute(job(idOf(first)))).toBe('ran');
  expect(await recordOf(first)).toMatchObject({ state: 'suspended' });
  expect(events).toContainEqual(
    expect.objectContaining({ type: 'undecryptable', what: 'input', why: 'altered' }),
  );
});

describe('when its server shuts down', () => {
  const hang = () => new Promise<never>(() => undefined);

  test('what may go on goes back to the queue, and what may not is left to its lease', async () => {
    const { call, run, policy, worker, semel, reaches, recordOf } = await startQueued({
      policy: { effects: 'steps' },
    });
    const signals: AbortSignal[] = [];
    run(({ signal }) => {
      signals.push(signal);
      return hang();
    });
    const resumable = await call('steps');
    policy({ effects: 'unknown' });
    const unknown = await call('unknown');
    const started = worker();
    await reaches(resumable, 'processing');
    await reaches(unknown, 'processing');
    await started.close(1);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    expect(await recordOf(resumable)).toMatchObject({ state: 'accepted', attempt: 1 });
    expect(await recordOf(unknown)).toMatchObject({ state: 'processing' });

    run(({ attempt }) => attempt);
    worker();
    await reaches(resumable, 'completed');
    expect(await call('steps')).toMatchObject({ value: 2 });
    await semel.close();
  });

  test('a drain waits for what runs, and takes nothing new', async () => {
    const { call, run, worker, semel, reaches, recordOf } = await startQueued();
    const finish = Promise.withResolvers<string>();
    run(() => finish.promise);
    const first = await call('first');
    const waiting = await call('second');
    worker({ concurrency: 1 });
    await reaches(first, 'processing');
    const drained = semel.drain(5000);
    finish.resolve('done');
    expect(await drained).toBe(0);
    expect(await recordOf(first)).toMatchObject({ state: 'completed' });
    expect(await recordOf(waiting)).toMatchObject({ state: 'accepted', attempt: 0 });
  });
});
