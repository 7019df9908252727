import { describe, expect, test } from 'vitest';
import { createMemoryJobs } from '../jobs/memory-jobs.ts';
import { createMemoryStore } from '../store/memory.ts';
import { startQueued } from './queued.fixture.ts';

const by = { actor: 'operator:alice', reason: 'ticket 4711' };
/** Quick loops. */
const quick = { healEveryMs: 2, graceMs: 0, resolveEveryMs: 2, offerEveryMs: 5 };

describe('healing', () => {
  test('a job that the queue has lost is sent again', async () => {
    const jobs = createMemoryJobs();
    let losing = true;
    const { call, run, worker, semel, settled, types } = await startQueued({
      jobs: {
        ...jobs,
        send: async (tx, job, options) => {
          if (!losing) await jobs.send(tx, job, options);
        },
      },
    });
    run(() => 'done');
    const first = await call('k');
    losing = false;
    worker(quick);
    await settled(first);
    expect(types()).toContain('healed');
    await semel.close();
  });

  test('a send that got lost after an attempt failed leaves nothing behind', async () => {
    const jobs = createMemoryJobs();
    const { call, run, worker, semel, settled, types } = await startQueued({
      jobs: {
        ...jobs,
        send: async (tx, job, options) => {
          // The next attempt's: its record has another version than the first.
          if (tx === undefined && types().at(-1) === 'rescheduled') throw new Error('the queue is away');
          await jobs.send(tx, job, options);
        },
      },
    });
    run(({ attempt }) => {
      if (attempt === 1) throw new Error('away');
      return attempt;
    });
    const first = await call('k');
    worker(quick);
    await settled(first);
    expect(types().filter((type) => type === 'started' || type === 'healed')).toEqual([
      'started',
      'healed',
      'started',
    ]);
    await semel.close();
  });

  test('the attempt of a worker that died is gone on with by another', async () => {
    const time = { now: 1_800_000_000_000 };
    const store = createMemoryStore({ clock: () => time.now });
    const { call, run, side, worker, idOf, semel, settled, reaches } = await startQueued({
      store,
      policy: { effects: 'steps', leaseMs: 60_000 },
    });
    const calls: number[] = [];
    run(async ({ step, attempt }) => {
      await step('charge', async () => void calls.push(attempt));
      if (attempt === 1) await new Promise(() => undefined);
      return attempt;
    });
    const first = await call('k');
    // Its job dies with it.
    void side().execute({ v: 1, operationId: idOf(first), scope: 'alice', procedure: 'pay' });
    await reaches(first, 'processing');
    await expect.poll(() => calls).toEqual([1]);
    time.now += 60_001;
    worker(quick);
    await settled(first);
    expect(calls).toEqual([1]);
    expect(await call('k')).toMatchObject({ kind: 'completed', value: 2 });
    await semel.close();
  });
});

describe('redrive', () => {
  async function dead() {
    const queued = await startQueued({ policy: { maxAttempts: 1, effects: 'steps' } });
    const effects: number[] = [];
    queued.run(async ({ step, attempt }) => {
      await step('charge', async () => void effects.push(attempt));
      throw new Error('away');
    });
    const first = await queued.call('k');
    queued.worker();
    await queued.reaches(first, 'dead');
    return { ...queued, first, id: queued.idOf(first), effects };
  }

  test('twice at once runs it once, with its recorded steps', async () => {
    const { semel, id, run, settled, effects, call, types } = await dead();
    let runs = 0;
    run(async ({ step, attempt }) => {
      runs++;
      await step('charge', async () => void effects.push(attempt));
      return 'at last';
    });
    const decided = await Promise.all([semel.decisions.redrive(id, by), semel.decisions.redrive(id, by)]);
    expect(decided.map(({ kind }) => kind).toSorted()).toEqual(['done', 'not_now']);
    await settled(id);
    expect([runs, effects]).toEqual([1, [1]]);
    expect(await call('k')).toMatchObject({ kind: 'completed', value: 'at last' });
    expect(types().filter((type) => type === 'decided')).toHaveLength(1);
    expect((await semel.decisions.show(id))?.decisions).toMatchObject([
      { action: 'redriven', actor: 'operator:alice', reason: 'ticket 4711' },
    ]);
    await semel.close();
  });

  test('grants attempts, and is dead again when they are used up', async () => {
    const { semel, id, events, reaches } = await dead();
    await semel.decisions.redrive(id, { ...by, grantAttempts: 2 });
    await expect.poll(() => events.filter(({ type }) => type === 'dead')).toHaveLength(2);
    expect(await reaches(id, 'dead')).toMatchObject({ attempt: 4, policy: { maxAttempts: 4 } });
    await semel.close();
  });

  test('is of no use to what is settled, and needs to know who and why', async () => {
    const { semel, id } = await dead();
    expect(await semel.decisions.resolve(id, { completed: { paid: 1n } }, by)).toMatchObject({
      kind: 'done',
      operation: { state: 'completed' },
    });
    expect(await semel.decisions.redrive(id, by)).toMatchObject({ kind: 'not_now' });
    expect(await semel.decisions.redrive('nobody', by)).toEqual({ kind: 'absent' });
    await expect(semel.decisions.redrive(id, { actor: '', reason: 'x' })).rejects.toThrow(
      'redrive: actor is',
    );
    await semel.close();
  });
});

describe('a decision about an operation as somebody saw it', () => {
  const suspends = async () => {
    const queued = await startQueued({ policy: { mode: 'leased', backoff: undefined as never } });
    queued.run(({ step }) => step('charge', () => Promise.reject(new Error('lost'))));
    const id = queued.idOf(await queued.call('k'));
    const seen = (await queued.semel.decisions.show(id))?.operation;
    if (seen === undefined) throw new Error('it has no record');
    return { ...queued, id, seen };
  };

  test('is not taken for one about what has become of it since', async () => {
    const { semel, id, seen, call, recordOf } = await suspends();
    const { version } = seen;
    expect(await semel.decisions.release(id, { ...by, version })).toMatchObject({ kind: 'done' });
    // Its caller's retry ran, and its end isn't known either: another case, and another decision.
    expect(await call('k')).toMatchObject({ kind: 'refused', problem: { code: 'outcome_unknown' } });
    const after = await recordOf(id);
    expect(after).toMatchObject({ state: 'suspended', attempt: 3 });
    const failed = { httpStatus: 422, code: 'DECLINED', message: 'the first was declined' };
    const stale = [
      await semel.decisions.release(id, { ...by, version }),
      await semel.decisions.redrive(id, { ...by, version }),
      await semel.decisions.resolve(id, { failed }, { ...by, version }),
    ];
    expect(stale.map(({ kind }) => kind)).toEqual(['not_now', 'not_now', 'not_now']);
    expect(stale[0]).toMatchObject({ operation: { version: after.version, state: 'suspended' } });
    expect(await recordOf(id)).toEqual(after);
    expect(await semel.decisions.release(id, { ...by, version: after.version })).toMatchObject({
      kind: 'done',
    });
    await semel.close();
  });

  test('says which version that is', async () => {
    const { semel, id } = await suspends();
    await expect(semel.decisions.release(id, { ...by, version: 0 })).rejects.toThrow(
      'release: version is a whole number from 1 on, not 0',
    );
    await semel.close();
  });
});

describe('an operator', () => {
  test('resolves what is suspended, and every retry gets that', async () => {
    const { call, run, worker, semel, reaches, idOf } = await startQueued();
    run(({ step }) => step('charge', () => Promise.reject(new Error('lost'))));
    const first = await call('k');
    worker();
    await reaches(first, 'suspended');
    const failed = { httpStatus: 422, code: 'DECLINED', message: 'the bank said no' };
    expect(await semel.decisions.resolve(idOf(first), { failed }, by)).toMatchObject({ kind: 'done' });
    expect(await call('k')).toMatchObject({ kind: 'failed', error: failed, replayed: true });
    await expect(
      semel.decisions.resolve(idOf(first), { failed: { ...failed, httpStatus: 200 } }, by),
    ).rejects.toThrow('httpStatus is between 400 and 599');
    await semel.close();
  });

  test('cancels what nobody has begun, and nothing else', async () => {
    const { call, worker, semel, settled, idOf } = await startQueued();
    const first = await call('k');
    expect(await semel.decisions.cancel(idOf(first), by)).toMatchObject({
      kind: 'done',
      operation: { state: 'failed' },
    });
    expect(await call('k')).toMatchObject({ kind: 'failed', error: { httpStatus: 409, code: 'CANCELLED' } });
    const second = await call('other');
    worker();
    await settled(second);
    expect(await semel.decisions.cancel(idOf(second), by)).toMatchObject({ kind: 'not_now' });
    await semel.close();
  });

  test('sees everything but contents', async () => {
    const { call, run, worker, semel, reaches, idOf } = await startQueued({
      policy: { deadLetterOwner: 'payments', maxAttempts: 1 },
    });
    run(async ({ step, progress }) => {
      await step('charge', async () => 'secret-result');
      progress({ percent: 50 });
      await new Promise((resolve) => setImmediate(resolve));
      throw new Error('the bank is away');
    });
    const first = await call('k', 'secret-input');
    worker();
    await reaches(first, 'dead');
    const shown = await semel.decisions.show(idOf(first));
    expect(shown).toMatchObject({
      operation: {
        state: 'dead',
        mode: 'queued',
        attempt: 1,
        lastError: 'the bank is away',
        deadLetterOwner: 'payments',
      },
      history: [{ cause: 'enqueued' }, { cause: 'started', actor: 'worker' }, { cause: 'exhausted' }],
      runs: 1,
      steps: [{ name: 'charge', kind: 'step', attempt: 1, childKey: expect.stringMatching(/^[\w-]{43}$/) }],
      work: { principal: 'alice' },
      progress: { value: { percent: 50 }, attempt: 1 },
      decisions: [],
    });
    expect(JSON.stringify(shown)).not.toMatch(/secret|v1:|owner":"[^p]/);
    expect(await semel.decisions.list({ states: ['dead'] })).toMatchObject({
      operations: [{ operationId: idOf(first), lastError: 'the bank is away' }],
    });
    expect(await semel.decisions.show('nobody')).toBeUndefined();
    await semel.close();
  });

  test('releases a leased operation: its caller runs it again', async () => {
    const { call, run, semel, idOf } = await startQueued({
      policy: { mode: 'leased', backoff: undefined as never },
    });
    run(({ step }) => step('charge', () => Promise.reject(new Error('lost'))));
    const first = await call('k');
    expect(first).toMatchObject({ kind: 'refused', problem: { code: 'outcome_unknown' } });
    expect(await semel.decisions.redrive(idOf(first), by)).toMatchObject({
      kind: 'done',
      operation: { state: 'released', attempt: 2 },
    });
    run(({ attempt }) => attempt);
    expect(await call('k')).toMatchObject({ kind: 'completed', value: 3 });
    await semel.close();
  });
});

describe('a resolver', () => {
  const suspended = async (resolve: NonNullable<Parameters<typeof startQueued>[0]>['policy']) => {
    const time = { now: 1_800_000_000_000 };
    const memory = createMemoryStore({ clock: () => time.now });
    let offers = 0;
    const store: typeof memory = {
      ...memory,
      decisions: {
        ...memory.decisions,
        async offer(options) {
          const offered = await memory.decisions.offer(options);
          offers += offered.length;
          return offered;
        },
      },
    };
    const queued = await startQueued({ store, policy: { leaseMs: 60_000, ...resolve } });
    queued.run(async ({ step, attempt }) => {
      await step('book', async () => 'booked');
      if (attempt === 1) await step('charge', () => Promise.reject(new Error('lost')));
      return 'run again';
    });
    const first = await queued.call('k', 5n);
    const worker = queued.worker(quick);
    await queued.reaches(first, 'suspended');
    return { ...queued, first, worker, time, offers: () => offers };
  };

  test('says what happened, and what it writes commits with that', async () => {
    const { first, settled, semel, call, time, store } = await suspended({
      resolve: async (operation, tx) => {
        (tx as { set(key: string, value: unknown): void }).set('resolved', operation.id);
        return { completed: [operation.steps.book, operation.work?.input, operation.state] };
      },
    });
    time.now += 60_001;
    const record = await settled(first);
    expect(await call('k', 5n)).toMatchObject({ kind: 'completed', value: ['booked', 5n, 'suspended'] });
    expect(store.committed.get('resolved')).toBe(record.operationId);
    expect((await semel.decisions.show(record.operationId))?.decisions).toMatchObject([
      { action: 'resolved', actor: 'resolver', reason: 'the resolver of pay' },
    ]);
    await semel.close();
  });

  test('is not asked before a process that was only paused has noticed', async () => {
    let asked = 0;
    const { semel, time, offers } = await suspended({
      resolve: () => {
        asked++;
        return undefined;
      },
    });
    await expect.poll(offers).toBe(1);
    time.now += 59_000;
    await expect.poll(offers).toBe(2);
    expect(asked).toBe(0);
    time.now += 1001;
    await expect.poll(() => asked).toBeGreaterThan(0);
    await semel.close();
  });

  test('may throw, or not know yet, and is asked again', async () => {
    const answers: (() => unknown)[] = [
      () => {
        throw new Error('the provider is away');
      },
      () => undefined,
      () => ({ failed: { httpStatus: 402, code: 'DECLINED', message: 'no' } }),
    ];
    const { first, semel, settled, time, call, types } = await suspended({
      resolve: () => (answers.shift() as () => never)(),
    });
    const clock = setInterval(() => {
      time.now += 61_000;
    }, 5);
    await settled(first);
    clearInterval(clock);
    expect(types().filter((type) => type === 'resolver_failed')).toHaveLength(1);
    expect(await call('k', 5n)).toMatchObject({
      kind: 'failed',
      error: { httpStatus: 402, code: 'DECLINED' },
    });
    await semel.close();
  });

  test('is asked by a server that has it, whatever others without it do meanwhile', async () => {
    const time = { now: 1_800_000_000_000 };
    const store = createMemoryStore({ clock: () => time.now });
    const { procedures, semel, call, run, idOf, recordOf, side } = await startQueued({
      store,
      policy: { maxAttempts: 1, resolve: () => ({ completed: 'it had been paid' }) },
    });
    run(() => {
      throw new Error('away');
    });
    const id = idOf(await call('k'));
    await side().execute({ v: 1, operationId: id, scope: 'alice', procedure: 'pay' });
    const pay = procedures().get('pay');
    if (pay === undefined) throw new Error('there is no procedure pay');
    const unresolving = { ...pay.policy, resolve: undefined };
    const older = semel.engine.workerSide(new Map([['pay', { ...pay, policy: unresolving }]]));
    const others = semel.engine.workerSide(new Map([['refund', { ...pay, name: 'refund' }]]));
    const options = { limit: 4, everyMs: 60_000 };
    for (const without of [older, others]) expect(await without.offer(options)).toEqual([]);
    expect((await semel.decisions.show(id))?.offeredAt).toBeUndefined();
    // In the same moment: nobody has used up its turn.
    await Promise.all(await side().offer(options));
    expect(await recordOf(id)).toMatchObject({ state: 'completed' });
    await semel.close();
  });

  test("that says 'run_again' of a leased one isn't heard once that has run again", async () => {
    const time = { now: 1_800_000_000_000 };
    const memory = createMemoryStore({ clock: () => time.now });
    let meanwhile: (() => Promise<void>) | undefined;
    const store: typeof memory = {
      ...memory,
      decisions: {
        ...memory.decisions,
        async release(...asked) {
          await meanwhile?.();
          return memory.decisions.release(...asked);
        },
      },
    };
    const { semel, call, run, idOf, recordOf, side, types } = await startQueued({
      store,
      policy: { mode: 'leased', backoff: undefined as never, resolve: () => 'run_again' },
    });
    let charges = 0;
    run(({ step }) =>
      step('charge', async () => {
        charges++;
        throw new Error('lost');
      }),
    );
    const id = idOf(await call('k'));
    // While its decision is on the way an operator releases it and its caller's retry charges: another case.
    meanwhile = async () => {
      meanwhile = undefined;
      await semel.decisions.release(id, by);
      await call('k');
    };
    time.now += 61_000;
    await Promise.all(await side().offer({ limit: 1, everyMs: 0 }));
    expect(await recordOf(id)).toMatchObject({ state: 'suspended', attempt: 3 });
    expect(charges).toBe(2);
    expect(types().filter((type) => type === 'decided')).toHaveLength(1);
    await semel.close();
  });

  test('leaves a trace when it does not know', async () => {
    const { semel, first, idOf, time } = await suspended({ resolve: () => undefined });
    const offeredAt = async () => (await semel.decisions.show(idOf(first)))?.offeredAt ?? 0;
    await expect.poll(offeredAt).toBe(time.now);
    time.now += 60_001;
    await expect.poll(offeredAt).toBe(time.now);
    await semel.close();
  });

  describe("that says 'run_again' whatever it is asked about", () => {
    async function insists(policy: { maxAttempts: number }, run: Parameters<Queued['run']>[0]) {
      const time = { now: 1_800_000_000_000 };
      const store = createMemoryStore({ clock: () => time.now });
      const queued = await startQueued({ store, policy: { ...policy, resolve: () => 'run_again' } });
      queued.run(run);
      const first = await queued.call('k');
      const side = queued.side();
      const id = queued.idOf(first);
      const execute = () => side.execute({ v: 1, operationId: id, scope: 'alice', procedure: 'pay' });
      const ask = async () => {
        time.now += 61_000;
        await Promise.all(await side.offer({ limit: 10, everyMs: 60_000 }));
      };
      await execute();
      return { ...queued, id, execute, ask };
    }
    type Queued = Awaited<ReturnType<typeof startQueued>>;

    test('is heard once about a dead letter, and then it stays with its owner until a person redrives it', async () => {
      let runs = 0;
      const { ask, execute, id, recordOf, types, semel } = await insists({ maxAttempts: 1 }, () => {
        runs++;
        throw new Error('the bank is away');
      });
      expect(await recordOf(id)).toMatchObject({ state: 'dead', attempt: 1 });
      await ask();
      expect(await recordOf(id)).toMatchObject({ state: 'accepted', policy: { maxAttempts: 3 } });
      await execute();
      expect(await recordOf(id)).toMatchObject({ state: 'dead', attempt: 3 });
      for (let i = 0; i < 5; i++) {
        await ask();
        await execute();
      }
      expect(await recordOf(id)).toMatchObject({ state: 'dead', attempt: 3 });
      expect(runs).toBe(2);
      expect(types().filter((type) => type === 'resolver_failed')).toHaveLength(5);
      await semel.decisions.redrive(id, { ...by, grantAttempts: 1 });
      await execute();
      await ask();
      expect(await recordOf(id)).toMatchObject({ state: 'accepted' });
    });

    test('lets a suspended one run as often as its policy says, and once more', async () => {
      let runs = 0;
      const { ask, execute, id, recordOf, semel } = await insists({ maxAttempts: 3 }, ({ step }) =>
        step('charge', async () => {
          runs++;
          throw new Error('the answer got lost');
        }),
      );
      for (let i = 0; i < 8; i++) {
        await ask();
        await execute();
      }
      expect(await recordOf(id)).toMatchObject({ state: 'suspended' });
      expect(runs).toBe(3);
      expect((await semel.decisions.show(id))?.runs).toBe(3);
    });
  });

  test('may let it run again', async () => {
    const { first, semel, settled, time, call } = await suspended({ resolve: () => 'run_again' });
    time.now += 60_001;
    await settled(first);
    expect(await call('k', 5n)).toMatchObject({ kind: 'completed', value: 'run again' });
    await semel.close();
  });
});
