import { type ClaimRequest, type ClaimResult, isStoreUnavailable } from '../store/port.ts';
import type { EngineContext } from './engine-context.ts';
import { sleep, sleepAside } from './wait.ts';

/**
 * Claims, and claims again when the answer gets lost: the owner recognises itself. If the store stays away, nobody knows
 * whether the claim was written; a claim that nobody runs is given back as soon as the store is there again, so that the
 * caller's retry doesn't have to wait for a lease to run out.
 */
export async function insist<Tx>(
  context: EngineContext<Tx>,
  request: ClaimRequest,
  claim: () => Promise<ClaimResult>,
): Promise<ClaimResult> {
  try {
    return await claim();
  } catch (error) {
    if (!isStoreUnavailable(error)) throw error;
    try {
      await sleep(20);
      return await claim();
    } catch (again) {
      void giveBack(context, request);
      throw again;
    }
  }
}

async function giveBack<Tx>({ store }: EngineContext<Tx>, request: ClaimRequest): Promise<void> {
  const until = performance.now() + request.policy.leaseMs;
  for (let delayMs = 50; performance.now() < until; delayMs = Math.min(delayMs * 2, 5000)) {
    await sleepAside(delayMs);
    try {
      const found = await store.lookup(request);
      // Not there (yet): a server may still carry out what its caller has given up, once it is no longer held up.
      if (found === undefined) continue;
      if (found.record.owner !== request.owner) return;
      const { operationId, owner, attempt, policy, fingerprint, createdAt, firstClaimedAt } = found.record;
      await store.settle(
        {
          scope: request.scope,
          procedure: request.procedure,
          key: request.key,
          operationId,
          owner,
          attempt,
          policy,
          fingerprint,
          createdAt,
          firstClaimedAt,
          now: found.now,
        },
        { to: 'released', cause: 'released' },
        request.trace,
      );
      return;
    } catch {
      // Still away: try again until the lease has run out anyway.
    }
  }
}
