import { expect, test } from 'vitest';
import { createMemoryStore, type MemoryTransaction } from '../store/memory.ts';
import type { RecordedPolicy, Store } from '../store/port.ts';
import type { SemelEvent } from '../telemetry/events.ts';
import { createSweeper } from './sweeper.ts';

const trace = { actor: 'worker' };
const HOUR = 3_600_000;
const POLICY: RecordedPolicy = {
  mode: 'queued',
  onCrash: 'resume',
  leaseMs: 60_000,
  maxRunMs: 60_000,
  maxAttempts: 1,
  downstreamWindowMs: 20 * HOUR,
  ttlMs: 24 * HOUR,
};

/** Work of three kinds whose worker died: out of attempts, not to go on, and past its window. */
async function orphaned() {
  const time = { now: 1_800_000_000_000 };
  const store = createMemoryStore({ clock: () => time.now });
  const policies = [POLICY, { ...POLICY, onCrash: 'suspend' }, { ...POLICY, downstreamWindowMs: 1 }] as const;
  for (const [i, policy] of policies.entries()) {
    const operationId = `operation ${i}`;
    const identity = { scope: 'alice', procedure: 'pay', key: `k${i}` };
    const work = { principal: 'alice', input: '{}', deadLetterOwner: 'payments' };
    const request = { ...identity, operationId, owner: 'request', fingerprint: 'v1:f', policy, trace, work };
    await store.queue.enqueue(request, async () => {});
    expect(await store.queue.start({ operationId, owner: `worker ${i}`, trace })).toMatchObject({
      kind: 'started',
    });
  }
  time.now += 60_001;
  return store;
}

async function swept(store: Store<MemoryTransaction>): Promise<SemelEvent[]> {
  const events: SemelEvent[] = [];
  const sweeper = createSweeper(store, (event) => void events.push(event), { orphansEveryMs: 2 });
  await expect.poll(() => events.map(({ type }) => type)).toContain('recovered');
  await sweeper.close();
  return events;
}

test('tells of each dead letter that it makes, and counts what it suspends', async () => {
  const events = await swept(await orphaned());
  expect(events).toMatchObject([
    {
      type: 'dead',
      ...{ scope: 'alice', procedure: 'pay', key: 'k0', operationId: 'operation 0', attempt: 1 },
      deadLetterOwner: 'payments',
    },
    { type: 'recovered', suspended: 2, deleted: 0 },
  ]);
});

test('tells of it though the store is away, or somebody has decided, right after the commit', async () => {
  const store = await orphaned();
  const by = { actor: 'operator:alice', reason: 'ticket 4711' };
  const events = await swept({
    ...store,
    async sweepOrphans(options) {
      const report = await store.sweepOrphans(options);
      for (const { operationId } of report.changed)
        await store.decisions.resolve(operationId, async () => ({ to: 'failed', outcome: '{}' }), by);
      return report;
    },
    find: () => Promise.reject(new Error('the store is away')),
  });
  expect(events.map(({ type }) => type)).toEqual(['dead', 'recovered']);
});
