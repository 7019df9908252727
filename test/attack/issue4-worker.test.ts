import { createMemoryJobs, createMemoryStore, type Store } from '@semel/server/store';
import { expect, test } from 'vitest';
import { attack, idOf, jobFor } from './issue4-queue.ts';

const memory = () => ({ store: createMemoryStore(), jobs: createMemoryJobs({ againMs: 1 }) });
const by = { actor: 'operator:alice', reason: 'ticket 4711' };

test('a handler that never ends costs its worker a place until its lease is over, and no longer', async () => {
  const { semel, ask, reaches, procedures } = attack({
    ...memory(),
    policy: { maxRunMs: 300, leaseMs: 300 },
    semel: { recovery: { orphansEveryMs: 20 } },
    handle: (_operation, input) => (input === 'hangs' ? new Promise(() => {}) : 'done'),
  });
  const hangs = idOf(await ask('hangs'));
  const behind = idOf(await ask('behind'));
  semel.startWorker(procedures, { concurrency: 1 });
  await reaches(hangs, 'suspended');
  await reaches(behind, 'completed');
  await semel.close();
});

test('an input that ends every process which runs it is a dead letter, and its owner is told', async () => {
  const time = { now: 1_800_000_000_000 };
  const { semel, ask, side, events, reaches } = attack({
    store: createMemoryStore({ clock: () => time.now }),
    jobs: createMemoryJobs(),
    policy: { effects: 'steps', maxAttempts: 2, leaseMs: 60_000, deadLetterOwner: 'payments' },
    semel: { recovery: { orphansEveryMs: 5 } },
    handle: () => new Promise(() => {}),
  });
  const id = idOf(await ask('k'));
  for (const attempt of [1, 2]) {
    void side().execute(jobFor(id));
    await expect
      .poll(() => events.filter(({ type }) => type === 'started').length, { timeout: 20_000 })
      .toBe(attempt);
    time.now += 60_001;
  }
  await reaches(id, 'dead');
  await expect
    .poll(() => events.filter(({ type }) => type === 'dead' || type === 'recovered'), { timeout: 20_000 })
    .toMatchObject([{ type: 'dead', operationId: id, key: 'k', attempt: 2, deadLetterOwner: 'payments' }]);
  await semel.close();
});

test('a handler that throws what has no text is tried again like any other', async () => {
  const { semel, ask, reaches, procedures } = attack({
    ...memory(),
    policy: { maxAttempts: 2 },
    handle: () => Promise.reject(Object.create(null)),
  });
  const id = idOf(await ask('k'));
  semel.startWorker(procedures);
  await reaches(id, 'dead');
  await semel.close();
});

test('an operation whose work is gone is suspended, and its job done with', async () => {
  const { store, jobs } = memory();
  const { semel, ask, side, types } = attack({
    store: {
      ...store,
      queue: {
        ...store.queue,
        async start(request) {
          const started = await store.queue.start(request);
          return started.kind === 'started'
            ? { ...started, work: { principal: null, input: null } as never }
            : started;
        },
      },
    },
    jobs,
    handle: () => 'done',
  });
  const id = idOf(await ask('k'));
  expect(await side().execute(jobFor(id))).toBe('ran');
  expect((await store.find(id))?.record.state).toBe('suspended');
  expect(types()).toContain('undecryptable');
  await semel.close();
});

test('an operation whose lease ran out on its last attempt is not offered while a paused process may still act', async () => {
  const time = { now: 1_800_000_000_000 };
  const store = createMemoryStore({ clock: () => time.now });
  let asked = 0;
  const { semel, ask, side } = attack({
    store,
    jobs: createMemoryJobs(),
    policy: {
      maxAttempts: 1,
      effects: 'steps',
      leaseMs: 60_000,
      resolve: async () => {
        asked++;
        return { failed: { httpStatus: 409, code: 'CONFLICT', message: 'it did not happen' } };
      },
    },
    handle: () => new Promise(() => {}),
  });
  const id = idOf(await ask('k'));
  void side().execute(jobFor(id));
  await expect.poll(async () => (await store.find(id))?.record.state, { timeout: 20_000 }).toBe('processing');
  const offer = async () => {
    await Promise.all(await side().offer({ limit: 1, everyMs: 0 }));
    return asked;
  };
  time.now += 60_001;
  await store.sweepOrphans({ limit: 10, trace: { actor: 'recovery' } });
  expect((await store.find(id))?.record.state).toBe('dead');
  expect(await offer()).toBe(0);
  time.now += 60_000;
  expect(await offer()).toBe(1);
  expect((await store.find(id))?.record.state).toBe('failed');
  await semel.close();
});

test.for([{}, { complete: 'misspelt' }, { completed: 1, failed: 2 }, 'run-again', null, 7])(
  'a resolver that answers %j has decided nothing',
  async (answer) => {
    const { store, jobs } = memory();
    const { semel, ask, side, types } = attack({
      store,
      jobs,
      policy: { maxAttempts: 1, resolve: (() => answer) as never },
      handle: () => Promise.reject(new Error('away')),
    });
    const id = idOf(await ask('k'));
    await side().execute(jobFor(id));
    await Promise.all(await side().offer({ limit: 1, everyMs: 0 }));
    expect((await store.find(id))?.record.state).toBe('dead');
    expect(types()).toContain('resolver_failed');
    await semel.close();
  },
);

test('a resolver that says run it again is not heard once the operation has run again', async () => {
  const { store, jobs } = memory();
  let effects = 0;
  let between: (() => Promise<void>) | undefined;
  const slow: Store<never> = {
    ...(store as never as Store<never>),
    decisions: {
      ...(store.decisions as never as Store<never>['decisions']),
      async redrive(...args) {
        await between?.();
        between = undefined;
        return (store.decisions as never as Store<never>['decisions']).redrive(...args);
      },
    },
  };
  const { semel, ask, side } = attack<never>({
    store: slow,
    jobs: jobs as never,
    policy: { maxAttempts: 1, leaseMs: 100, resolve: async () => 'run_again' as const },
    handle: (operation) => {
      if (operation.attempt === 1) throw new Error('away, and nothing was done');
      return operation.step('charge', async () => {
        effects++;
        throw new Error('the answer got lost');
      });
    },
  });
  const id = idOf(await ask('k'));
  await side().execute(jobFor(id));
  // While the resolver's decision is on its way an operator redrives, and the attempt acts.
  between = async () => {
    between = undefined;
    await semel.decisions.redrive(id, by);
    await side().execute(jobFor(id));
  };
  await Promise.all(await side().offer({ limit: 1, everyMs: 0 }));
  expect((await store.find(id))?.record.state).toBe('suspended');
  await side().execute(jobFor(id));
  expect(effects).toBe(1);
  await semel.close();
});

test('each that waits for a decision is offered in its turn, however many others nobody can decide', async () => {
  const time = { now: 1_800_000_000_000 };
  const store = createMemoryStore({ clock: () => time.now });
  const { semel, ask, side } = attack({
    store,
    jobs: createMemoryJobs(),
    policy: { maxAttempts: 1 },
    handle: () => Promise.reject(new Error('away')),
  });
  for (let i = 0; i < 10; i++) {
    await side().execute(jobFor(idOf(await ask(`k${i}`))));
    time.now += 1;
  }
  const offered = new Set<string>();
  for (let minute = 0; minute < 6; minute++) {
    for (const { key } of await store.decisions.offer({ limit: 2, everyMs: 60_000 })) offered.add(key);
    time.now += 60_000;
  }
  expect(offered.size).toBe(10);
  await semel.close();
});

test('work that has lost its job is found behind any number whose jobs wait for another deployment', async () => {
  const { store, jobs } = memory();
  let losing = false;
  const { semel, ask, reaches, procedures } = attack({
    store,
    jobs: { ...jobs, send: async (...args) => void (losing || (await jobs.send(...args))) },
    handle: () => 'done',
  });
  // Nobody here has the procedure: their jobs are put back again and again.
  for (let i = 0; i < 600; i++) await ask(`k${i}`, { procedure: 'gone' });
  losing = true;
  const lost = idOf(await ask('lost'));
  losing = false;
  semel.startWorker(procedures, { graceMs: 0, healEveryMs: 20 });
  await reaches(lost, 'completed');
  await semel.close();
});

test('a job that names a procedure which nobody has is run as its record says', async () => {
  const { store, jobs } = memory();
  const { semel, ask, side } = attack({ store, jobs, handle: () => 'done' });
  const id = idOf(await ask('k'));
  expect(await side().execute({ ...jobFor(id), procedure: 'forged', scope: 'mallory' })).toBe('ran');
  expect((await store.find(id))?.record).toMatchObject({ state: 'completed', scope: 'alice' });
  await semel.close();
});

test('a resolver is asked though many wait that only people can decide', async () => {
  const { store, jobs } = memory();
  const { semel, ask, reaches, procedures } = attack({
    store,
    jobs,
    policy: { mode: 'leased', leaseMs: 100, resolve: async () => ({ completed: 'found out' }) },
    handle: (operation) => operation.step('charge', () => Promise.reject(new Error('lost'))),
  });
  for (let i = 0; i < 60; i++) await ask(`k${i}`, { procedure: 'for-people' });
  const id = idOf(await ask('last'));
  semel.startWorker(procedures, { resolveEveryMs: 300, offerEveryMs: 60 });
  await reaches(id, 'completed');
  await semel.close();
});
