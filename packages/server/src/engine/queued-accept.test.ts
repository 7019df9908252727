import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createMemoryJobs } from '../jobs/memory-jobs.ts';
import { createMemoryStore } from '../store/memory.ts';
import { StoreUnavailable } from '../store/port.ts';
import { startQueued } from './queued.fixture.ts';

/** A queue that delivers nothing, and shows what was sent. */
function countingJobs() {
  const jobs = createMemoryJobs();
  const sent: string[] = [];
  return {
    sent,
    ...jobs,
    send: (async (tx, job, options) => {
      await jobs.send(tx, job, options);
      sent.push(options.id);
    }) satisfies typeof jobs.send,
  };
}

test('accepts at once, runs in the worker, and replays the outcome to the next retry', async () => {
  const { call, semel, worker, run, settled, types } = await startQueued();
  run((operation, input, principal) => ({ paid: input, by: principal, attempt: operation.attempt }));
  const first = await call('k', { amount: 5n });
  expect(first).toMatchObject({ kind: 'accepted', state: 'accepted', pollAfterMs: 500 });
  worker();
  await settled(first);
  expect(await call('k', { amount: 5n })).toMatchObject({
    kind: 'completed',
    value: { paid: { amount: 5n }, by: 'alice', attempt: 1 },
    replayed: true,
  });
  expect(types()).toEqual(['enqueued', 'started', 'executed', 'replayed']);
  await semel.close();
});

test('20 at once are one operation with one job, and all are told 202', async () => {
  const jobs = countingJobs();
  const { call, store } = await startQueued({ jobs });
  const results = await Promise.all(Array.from({ length: 20 }, () => call('k')));
  expect(new Set(results.map((result) => result.kind))).toEqual(new Set(['accepted']));
  expect(new Set(results.map((result) => 'operationId' in result && result.operationId)).size).toBe(1);
  expect(await store.decisions.list({ limit: 10 })).toMatchObject({ operations: [{ state: 'accepted' }] });
  expect(
    await jobs.waiting(results.map((result) => ('operationId' in result ? result.operationId : ''))),
  ).toHaveProperty('size', 1);
});

describe('a duplicate is told', () => {
  test('202 while a worker is at it', async () => {
    const { call, run, worker, semel, reaches } = await startQueued();
    const begun = Promise.withResolvers<void>();
    run(() => begun.promise);
    const first = await call('k');
    worker();
    await reaches(first, 'processing');
    expect(await call('k')).toMatchObject({ kind: 'accepted', state: 'processing' });
    begun.resolve();
    await reaches(first, 'completed');
    await semel.close();
  });

  test('that nobody knows, once it is dead', async () => {
    const { call, run, worker, semel, reaches } = await startQueued({ policy: { maxAttempts: 1 } });
    run(() => {
      throw new Error('away');
    });
    const first = await call('k');
    worker();
    await reaches(first, 'dead');
    expect(await call('k')).toMatchObject({
      kind: 'refused',
      problem: { code: 'outcome_unknown', state: 'dead', attempt: 1 },
    });
    await semel.close();
  });

  test('that the key was used for something else, whatever the state', async () => {
    const { call } = await startQueued();
    await call('k', 1);
    expect(await call('k', 2)).toMatchObject({ kind: 'refused', problem: { code: 'key_reused' } });
  });
});

describe('when the policy has changed since', () => {
  test('a queued operation is never run by a request, though its lease ran out', async () => {
    const time = { now: 1_800_000_000_000 };
    const store = createMemoryStore({ clock: () => time.now });
    const { call, side, run, policy, recordOf } = await startQueued({
      store,
      policy: { effects: 'steps', leaseMs: 1000 },
    });
    const ran: string[] = [];
    run((operation) => {
      ran.push(operation.mode);
      return new Promise(() => undefined);
    });
    const first = await call('k');
    const { operationId } = await recordOf(first);
    void side().execute({ v: 1, operationId, scope: 'alice', procedure: 'pay' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(ran).toEqual(['leased']);
    time.now += 1001;
    expect(await call('k')).toMatchObject({ kind: 'accepted', state: 'processing' });
    policy({ mode: 'leased', backoff: undefined as never, inFlight: 'conflict' });
    expect(await call('k')).toMatchObject({ kind: 'refused', problem: { code: 'in_flight' } });
    expect(ran).toEqual(['leased']);
  });

  test('a leased operation that was released goes on in the request', async () => {
    const { call, run, policy } = await startQueued({
      policy: { mode: 'leased', backoff: undefined as never },
    });
    run(() => {
      throw new Error('away');
    });
    await expect(call('k')).rejects.toThrow('away');
    policy({ mode: 'queued' });
    run((operation) => operation.attempt);
    expect(await call('k')).toMatchObject({ kind: 'completed', value: 2, replayed: false });
  });
});

describe('when something gets lost on the way', () => {
  test('a queue that is away is answered as 503, and nothing remains', async () => {
    const jobs = { ...createMemoryJobs(), send: () => Promise.reject(new Error('the queue is away')) };
    const { call, store } = await startQueued({ jobs });
    expect(await call('k')).toMatchObject({ kind: 'refused', problem: { code: 'store_unavailable' } });
    expect(await store.lookup({ scope: 'alice', procedure: 'pay', key: 'k' })).toBeUndefined();
  });

  test('an acknowledgement that got lost makes no second operation and no second job', async () => {
    const jobs = countingJobs();
    const store = createMemoryStore();
    let lost = 1;
    const losing: typeof store = {
      ...store,
      queue: {
        ...store.queue,
        async enqueue(request, send) {
          const result = await store.queue.enqueue(request, send);
          if (lost-- > 0) throw new StoreUnavailable();
          return result;
        },
      },
    };
    const { call } = await startQueued({ store: losing, jobs });
    expect(await call('k')).toMatchObject({ kind: 'accepted' });
    expect(new Set(jobs.sent).size).toBe(1);
    expect((await store.decisions.list({ limit: 10 })).operations).toHaveLength(1);
  });
});

const keyRing = (name: string) => ({
  current: name,
  keys: { [name]: randomBytes(32) },
});

describe('with a key ring', () => {
  test('the store never sees the input, and the worker reads it', async () => {
    const { call, run, worker, semel, store, idOf, settled } = await startQueued({
      semel: { keyRing: keyRing('a') },
    });
    run((_operation, input) => input);
    const first = await call('k', { iban: 'DE-secret' });
    const work = await store.queue.work(idOf(first));
    expect(work?.input).toMatch(/^sealed1:a:/);
    worker();
    await settled(first);
    expect(await call('k', { iban: 'DE-secret' })).toMatchObject({ value: { iban: 'DE-secret' } });
    await semel.close();
  });

  test('an input that this worker has no key for is suspended, with an alert', async () => {
    const store = createMemoryStore();
    const jobs = createMemoryJobs();
    const accepting = await startQueued({ store, jobs, semel: { keyRing: keyRing('a') } });
    const first = await accepting.call('k', 'secret');
    const other = await startQueued({ store, jobs, semel: { keyRing: keyRing('b') } });
    other.run(() => 'never');
    other.worker();
    await other.reaches(first, 'suspended');
    expect(other.events).toContainEqual(
      expect.objectContaining({ type: 'undecryptable', what: 'input', why: 'unknown_key' }),
    );
    expect(other.types()).not.toContain('executed');
    await other.semel.close();
  });
});
