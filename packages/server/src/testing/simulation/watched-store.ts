import type { MemoryStore } from '../../store/memory.ts';
import {
  type Claim,
  EXPIRY_GRACE_MS,
  type OperationIdentity,
  type OperationRecord,
} from '../../store/port.ts';
import type { Judge } from './judge.ts';
import type { World } from './world.ts';

/**
 * The store of record with somebody beside it who has a clock of his own, and looks at what was there before each write and
 * what is there after it. A wrong store convicts itself here, also where luck kept the harm away.
 */
export function watched(store: MemoryStore, judge: Judge, world: World): MemoryStore {
  const now = world.storeClock;
  const at = async (identity: OperationIdentity): Promise<OperationRecord | undefined> =>
    (await store.lookup(identity))?.record;

  function runs(record: OperationRecord | undefined): record is OperationRecord {
    return record?.state === 'processing' && (record.leaseUntil ?? 0) > now();
  }

  /** A write of this attempt was accepted: it must have been the attempt that holds the operation. */
  async function accepted(claim: Claim): Promise<void> {
    const record = (await store.find(claim.operationId))?.record;
    if (record !== undefined && (record.owner !== claim.owner || record.attempt !== claim.attempt))
      world.violate('a write of a late owner was accepted');
  }

  return {
    ...store,
    async take(request, seen, cause) {
      if (cause === 'expired') await judge.audit();
      const before = await at(request);
      const result = await store.take(request, seen, cause);
      if (!result.won || before === undefined || before.owner === request.owner) return result;
      if (cause === 'overtaken' && runs(before)) world.violate('taken over while its lease runs');
      if (cause === 'expired' && (before.expiresAt ?? Number.POSITIVE_INFINITY) + EXPIRY_GRACE_MS > now())
        world.violate('a key was free too early');
      return result;
    },
    async suspendOrphan(seen, trace) {
      const before = await at(seen);
      const result = await store.suspendOrphan(seen, trace);
      if (runs(before) && result.record.state === 'suspended')
        world.violate('suspended while its lease runs');
      return result;
    },
    async settle(claim, settlement, trace) {
      const result = await store.settle(claim, settlement, trace);
      if (result.kind === 'settled') await accepted(claim);
      return result;
    },
    async recordStep(claim, step, trace) {
      const result = await store.recordStep(claim, step, trace);
      if (result.kind === 'recorded') await accepted(claim);
      return result;
    },
    async transact(claim, body, options) {
      const result = await store.transact(claim, body, options);
      if (result.kind === 'committed') await accepted(claim);
      judge.committed();
      return result;
    },
    async atomically(request, body) {
      const result = await store.atomically(request, body);
      judge.committed();
      return result;
    },
    queue: {
      ...store.queue,
      async start(request) {
        const before = (await store.find(request.operationId))?.record;
        const result = await store.queue.start(request);
        if (result.kind === 'started' && runs(before) && before.owner !== request.owner)
          world.violate('taken over while its lease runs');
        return result;
      },
    },
    async sweepExpired(options) {
      await judge.audit();
      return store.sweepExpired(options);
    },
  };
}
