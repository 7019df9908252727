import assert from 'node:assert/strict';
import type { OperationRecord, Store } from '@semel/server/store';
import { completed, outcome, POLICY, RELEASED, type Stage, TRACE, times, won } from './stage.ts';

const ROUNDS = 40;
const ownerOf = (attempt: number) => `owner-${attempt}`.padEnd(22, '-');

/**
 * One operation goes from attempt to attempt while others look at it. The owner's name tells its attempt, the outcome
 * tells the owner: parts of two states in one record give themselves away.
 */
export async function watchForTornRecords(stage: Stage, stores: readonly Store[]): Promise<void> {
  const { store, request, again } = stage;
  const first = request({ owner: ownerOf(1) });
  let done = false;

  async function churn(): Promise<void> {
    let claim = won(await store.claim(first));
    for (let attempt = 2; attempt <= ROUNDS; attempt++) {
      await store.settle(claim, RELEASED, TRACE);
      const seen = await stage.record(first);
      claim = won(await store.take(again(first, { owner: ownerOf(attempt) }), seen, 'claimed'));
      await store.renew([claim]);
    }
    await store.settle(claim, completed(claim.owner), TRACE);
  }

  async function watch(from: Store): Promise<void> {
    while (!done) {
      const seen = (await from.lookup(first))?.record;
      if (seen) assertWhole(seen);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  const churned = churn().finally(() => {
    done = true;
  });
  await Promise.all([churned, ...times(4, (i) => watch(stores[i % stores.length] ?? store))]);
  const last = await stage.record(first);
  assertWhole(last);
  assert.equal(last.attempt, ROUNDS);
}

function assertWhole(record: OperationRecord): void {
  const { state, attempt, owner, version } = record;
  assert.equal(owner, ownerOf(attempt), 'owner and attempt belong together');
  // Each attempt takes two transitions: it is claimed, and it ends.
  assert.equal(
    version,
    state === 'processing' ? 2 * attempt - 1 : 2 * attempt,
    'version and state belong together',
  );
  assert.equal(record.leaseUntil !== undefined, state === 'processing', 'a lease only while processing');
  assert.equal(record.expiresAt !== undefined, state !== 'processing', 'an expiry only once ended');
  assert.equal(
    record.outcome,
    state === 'completed' ? outcome(owner) : undefined,
    'an outcome only once settled',
  );
  if (record.expiresAt !== undefined) assert.equal(record.expiresAt, record.updatedAt + POLICY.ttlMs);
}
