import { afterEach, expect, test, vi } from 'vitest';
import { createMemoryStore } from './memory.ts';
import { type AtomicEnd, type ClaimRequest, EXPIRY_GRACE_MS, StoreUnavailable } from './port.ts';

// The promises of the port are tested by describeStore in @semel/testing; here is what only this store has.

const TTL_MS = 24 * 60 * 60_000;
const trace = { actor: 'request' };
const settlement = { to: 'completed', cause: 'succeeded', outcome: '{}' } as const;
const end: AtomicEnd<number> = { settlement, effects: 'keep', value: 1 };

function request(key: string): ClaimRequest {
  const policy = {
    mode: 'leased',
    onCrash: 'suspend',
    leaseMs: 30_000,
    maxRunMs: 60_000,
    maxAttempts: 5,
    downstreamWindowMs: 20 * 60 * 60_000,
    ttlMs: TTL_MS,
  } as const;
  const ids = { operationId: `operation of ${key}`, owner: `owner of ${key}` };
  return { scope: 'user:1', procedure: 'pay', key, ...ids, fingerprint: 'v1:x', policy, trace };
}

const atomic = (key: string, timeoutMs = 1000) => ({ ...request(key), mayRun: () => true, timeoutMs });

/** A store of at most two operations, on a clock that the test moves. */
function createSmallStore() {
  const time = { now: 1_800_000_000_000 };
  return { time, store: createMemoryStore({ clock: () => time.now, maxOperations: 2 }) };
}

afterEach(() => {
  vi.useRealTimers();
});

test('refuses a new operation when it is full of others, and goes on with those it has', async () => {
  const { store } = createSmallStore();
  const first = await store.claim(request('a'));
  await store.claim(request('b'));
  await expect(store.claim(request('c'))).rejects.toThrow(StoreUnavailable);
  await expect(store.claim(request('c'))).rejects.toThrow(/maxOperations is 2/);
  await expect(store.atomically(atomic('d'), async () => end)).rejects.toThrow(StoreUnavailable);
  expect(await store.lookup(request('c'))).toBeUndefined();
  expect(await store.claim(request('a'))).toEqual(first);
});

test('applies no effects of an atomic call that it has no room for', async () => {
  const { store } = createSmallStore();
  await store.claim(request('a'));
  await store.claim(request('b'));
  const call = store.atomically(atomic('c'), async (tx) => {
    tx.set('balance', 1);
    return end;
  });
  await expect(call).rejects.toThrow(StoreUnavailable);
  expect(store.committed.size).toBe(0);
});

test('makes room by deleting what has expired, and only that', async () => {
  const { store, time } = createSmallStore();
  await store.atomically(atomic('settled'), async () => end);
  await store.claim(request('running'));
  time.now += TTL_MS + EXPIRY_GRACE_MS - 1;
  await expect(store.claim(request('c'))).rejects.toThrow(StoreUnavailable);
  time.now += 1;
  expect((await store.claim(request('c'))).won).toBe(true);
  expect(await store.lookup(request('settled'))).toBeUndefined();
  expect((await store.lookup(request('running')))?.record.state).toBe('processing');
});

const work = { principal: 'user:1', input: '{}' };
const queued = (key: string) => {
  const { policy, ...rest } = request(key);
  return { ...rest, policy: { ...policy, mode: 'queued', onCrash: 'resume' } as const, work };
};

test('accepts no work that it has no room for, and keeps nothing of what was sent', async () => {
  const { store } = createSmallStore();
  await store.claim(request('a'));
  await store.claim(request('b'));
  const enqueuing = store.queue.enqueue(queued('c'), async (tx) => tx.set('job', 1));
  await expect(enqueuing).rejects.toThrow(StoreUnavailable);
  expect(store.committed.size).toBe(0);
  expect(await store.lookup(request('c'))).toBeUndefined();
});

test('tells what joined a transaction of its commit once the record shows it, and not if it was lost', async () => {
  const store = createMemoryStore();
  const states: (string | undefined)[] = [];
  const look = () => {
    void store.find('operation of a').then((found) => states.push(found?.record.state));
  };
  await store.queue.enqueue(queued('a'), async (tx) => tx.onCommit(look));
  await store.queue.enqueue({ ...queued('a'), owner: 'another' }, async (tx) => tx.onCommit(look));
  expect(states).toEqual(['accepted']);
});

test('takes the lock from somebody who has been deciding for more than a minute without a word', async () => {
  const { store, time } = createSmallStore();
  const claimed = await store.claim(request('a'));
  if (!claimed.won) throw new Error('the first claim is won');
  await store.settle(claimed.claim, { to: 'suspended', cause: 'outcome_unknown' }, trace);
  const { operationId } = claimed.claim;
  const decision = { actor: 'operator:alice', reason: 'ticket 4711' };
  const resolution = { to: 'completed', outcome: '{}' } as const;
  const idle = store.decisions.resolve(
    operationId,
    async (tx) => {
      tx.set('by', 'the idle one');
      time.now += 60_000;
      const early = await store.decisions.resolve(operationId, async () => resolution, decision);
      expect(early.kind).toBe('not_now');
      time.now += 1;
      const next = await store.decisions.resolve(operationId, async () => resolution, decision);
      expect(next.kind).toBe('done');
      return resolution;
    },
    decision,
  );
  await expect(idle).rejects.toThrow('idle for more than 60000 ms');
  expect(store.committed.size).toBe(0);
  expect((await store.decisions.decisions(operationId)).length).toBe(1);
});

test('shows a transaction what it has set itself, and others only what was committed', async () => {
  const store = createMemoryStore();
  await store.atomically(atomic('a'), async (tx) => {
    tx.set('balance', 1);
    expect(tx.get('balance')).toBe(1);
    expect(store.committed.get('balance')).toBeUndefined();
    return end;
  });
  expect(store.committed.get('balance')).toBe(1);
  await store.atomically(atomic('b'), async (tx) => {
    expect(tx.get('balance')).toBe(1);
    return end;
  });
});

test('ends a transaction that was idle for longer than its limit, and gives its lock to the next', async () => {
  const { store, time } = createSmallStore();
  const idle = store.atomically(atomic('a', 1000), async (tx) => {
    tx.set('by', 'the idle one');
    time.now += 1001;
    const next = await store.atomically(atomic('a', 1000), async (other) => {
      other.set('by', 'the next one');
      return end;
    });
    expect(next.kind).toBe('settled');
    return end;
  });
  await expect(idle).rejects.toThrow('idle for more than 1000 ms');
  expect(store.committed.get('by')).toBe('the next one');
});

test('keeps its own time when the time of the process is changed', async () => {
  const store = createMemoryStore();
  const claimed = await store.claim(request('a'));
  const before = claimed.won ? claimed.claim.now : 0;
  expect(Math.abs(before - Date.now())).toBeLessThan(60_000);
  vi.useFakeTimers({ now: before + 365 * TTL_MS });
  const now = (await store.lookup(request('a')))?.now ?? 0;
  expect(now - before).toBeLessThan(60_000);
});

test('refuses an operation id that another operation has', async () => {
  const store = createMemoryStore();
  await store.claim(request('a'));
  const { operationId } = request('a');
  await expect(store.claim({ ...request('b'), operationId })).rejects.toThrow(operationId);
});

test('keeps at most 100 different rejected transitions of an operation, and goes on counting those', async () => {
  const store = createMemoryStore();
  const claimed = await store.claim(request('a'));
  if (!claimed.won) throw new Error('the first claim is won');
  const stranger = { ...claimed.claim, owner: 'a stranger' };
  for (let i = 0; i < 150; i++) await store.settle(stranger, { ...settlement, outcome: `${i}` }, trace);
  await store.settle(stranger, { ...settlement, outcome: '7' }, trace);
  const rows = await store.rejected(claimed.claim.operationId);
  expect(rows.length).toBe(100);
  expect(rows.find((row) => row.evidence === '7')?.count).toBe(2);
});

test('says what it can do', () => {
  expect(createMemoryStore().capabilities).toEqual({ transactions: true, durable: false, shared: false });
});
