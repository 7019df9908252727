import { expect, test, vi } from 'vitest';
import { type IdempotencyPolicy, policyFrom } from '../admission/policy.ts';
import { createSemel } from '../semel.ts';
import { createMemoryStore, type MemoryStore, type MemoryTransaction } from '../store/memory.ts';
import type { SemelEvent } from '../telemetry/events.ts';
import { createOutcomeCodec } from './outcome.ts';
import type { Handler, RunRequest } from './request.ts';

const identity = { scope: 'alice', procedure: 'p', key: 'k' };

function start(policy: Partial<IdempotencyPolicy> = {}, store: MemoryStore = createMemoryStore()) {
  const events: SemelEvent[] = [];
  const { engine, decisions } = createSemel({
    store,
    recovery: false,
    onEvent: (event) => events.push(event),
  });
  const request: RunRequest = {
    ...identity,
    ageMs: undefined,
    fingerprint: 'v1:f',
    policy: policyFrom({ mode: 'leased', ...policy }),
    failures: {
      statusOf: () => undefined,
      describe: () => ({ httpStatus: 422, code: 'NO', message: 'no' }),
    },
    outcomes: createOutcomeCodec(),
    trace: { actor: 'request' },
  };
  return {
    engine,
    events,
    run: (handler: Handler<MemoryTransaction>) => engine.run(request, handler),
    state: async () => (await store.lookup(identity))?.record.state,
    /** What people are shown of it. */
    show: async () => {
      const seen = await store.lookup(identity);
      return seen && decisions.show(seen.record.operationId);
    },
  };
}

/** As `(error) => error.code.startsWith('card_')` is, of an error without a code. */
const finalErrors = (error: unknown): boolean => (error as { code: string }).code.startsWith('card_');

test('finalErrors that throws says nothing: what failed for now is released, and the error is the handler’s', async () => {
  const { run, state } = start({ finalErrors });
  await expect(
    run(async () => {
      throw new Error('the provider is busy');
    }),
  ).rejects.toThrow('the provider is busy');
  expect(await state()).toBe('released');
});

test('finalErrors that throws says nothing of a step either: what the step did stays unknown', async () => {
  const { run, state } = start({ finalErrors });
  const answered = await run(async (operation) => {
    await operation.step('charge', async () => {
      throw new Error('socket hang up');
    });
  });
  expect(answered).toMatchObject({ kind: 'refused', problem: { code: 'outcome_unknown' } });
  expect(await state()).toBe('suspended');
});

test('who decides about a suspended attempt is shown what it failed on, and what the other side knows that by', async () => {
  const { run, show } = start();
  let asked = '';
  await run((operation) =>
    operation.step('charge', async (childKey) => {
      asked = childKey;
      throw new Error('fetch failed', { cause: new Error('socket hang up') });
    }),
  );
  expect(asked).not.toBe('');
  expect((await show())?.operation).toMatchObject({
    state: 'suspended',
    lastError: "step 'charge': fetch failed: socket hang up",
    failedStep: { name: 'charge', childKey: asked },
  });
});

test.each([
  [
    'another step said a final no',
    { finalErrors: (error: unknown) => String(error).includes('bad address') },
  ],
  ['the handler threw an error of its own', {}],
])('of a suspended attempt the step is shown that nobody knows about, where %s', async (why, policy) => {
  const { run, show } = start(policy);
  await run(async (operation) => {
    const charged = operation.step('charge', () => Promise.reject(new Error('socket hang up')));
    await charged.catch(() => undefined);
    if (!why.startsWith('another')) throw new Error('payment failed');
    await operation.step('mail', () => Promise.reject(new Error('bad address')));
  }).catch(() => undefined);
  expect((await show())?.operation).toMatchObject({
    state: 'suspended',
    lastError: "step 'charge': socket hang up",
    failedStep: { name: 'charge' },
  });
});

test('a "no" that is returned is no last word while a step of it, not waited for, ends unknown', async () => {
  const { run, state } = start();
  const answered = await run(async (operation) => {
    void operation.step('charge', async () => {
      await new Promise((resolve) => setImmediate(resolve));
      throw new Error('socket hang up');
    });
    return operation.refuse(new Error('sold out'));
  });
  expect(answered).toMatchObject({ kind: 'refused', problem: { code: 'outcome_unknown' } });
  expect(await state()).toBe('suspended');
});

test('a "no" that is returned stands over a step whose failure the handler has seen', async () => {
  const { run } = start();
  const answered = await run(async (operation) => {
    const failed = operation.step('charge', async () => {
      throw new Error('socket hang up');
    });
    await failed.catch(() => undefined);
    return operation.refuse(new Error('sold out'));
  });
  expect(answered).toMatchObject({ kind: 'failed', error: { code: 'NO' } });
});

test('a step begins nothing once its attempt was given up while the recorded steps were read', async () => {
  const store = createMemoryStore();
  const { run, engine } = start({ effects: 'steps' }, store);
  await expect(
    run(async () => {
      throw new Error('not now');
    }),
  ).rejects.toThrow('not now');
  const reading = Promise.withResolvers<void>();
  const slow = Promise.withResolvers<void>();
  const steps = store.steps;
  store.steps = async (operationId) => {
    reading.resolve();
    await slow.promise;
    return steps(operationId);
  };
  let charged = 0;
  const running = run((operation) => operation.step('charge', async () => charged++));
  await reading.promise;
  await engine.drain(0);
  slow.resolve();
  expect(await running).toMatchObject({ kind: 'refused', problem: { code: 'lease_lost' } });
  expect(charged).toBe(0);
});

test('a renewal that meets the settlement of its own attempt raises no alarm', async () => {
  const store = createMemoryStore();
  const { run, events } = start({ leaseMs: 100 }, store);
  const { transact, renew } = store;
  let renewals = 0;
  store.renew = async (claims) => {
    const renewed = await renew(claims);
    renewals++;
    return renewed;
  };
  store.transact = async (claim, body, options) => {
    const committed = await transact(claim, body, options);
    const before = renewals;
    await vi.waitFor(() => expect(renewals).toBeGreaterThan(before));
    return committed;
  };
  expect(await run((operation) => operation.settle(async () => 'paid'))).toMatchObject({
    kind: 'completed',
    value: 'paid',
  });
  expect(events.map(({ type }) => type)).toEqual(['claimed', 'executed']);
});

test('progress that meets the settlement of its own attempt raises no alarm and aborts nothing', async () => {
  const store = createMemoryStore();
  const { transact } = store;
  const { recordProgress } = store.queue;
  const committed = Promise.withResolvers<void>();
  const refused = Promise.withResolvers<void>();
  const { run, events } = start(
    {},
    {
      ...store,
      queue: {
        ...store.queue,
        async recordProgress(claim, value) {
          await committed.promise;
          const written = await recordProgress(claim, value);
          setImmediate(refused.resolve);
          return written;
        },
      },
      async transact(claim, body, options) {
        const result = await transact(claim, body, options);
        committed.resolve();
        await refused.promise;
        return result;
      },
    },
  );
  let aborted: boolean | undefined;
  await run(async (operation) => {
    operation.progress(1);
    const value = await operation.settle(async () => 'paid');
    aborted = operation.signal.aborted;
    return value;
  });
  expect(aborted).toBe(false);
  expect(events.map(({ type }) => type)).toEqual(['claimed', 'executed']);
});
