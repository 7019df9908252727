import { type Claim, isStoreUnavailable } from '../store/port.ts';
import { sleep } from './wait.ts';

/** A caller is waiting for the answer all the while. */
const MAX_INSISTENCE_MS = 10_000;

/**
 * The store may be away for a moment just when there is something to keep. Every write of an attempt is re-entrant, so it
 * is asked again. Bounded by the lease: after it others judge.
 *
 * @throws StoreUnavailable when the store stayed away
 */
export async function firmly<T>(claim: Claim, write: () => Promise<T>): Promise<T> {
  const until = performance.now() + Math.min(claim.policy.leaseMs, MAX_INSISTENCE_MS);
  for (let delayMs = 20; ; delayMs = Math.min(delayMs * 2, 500)) {
    try {
      return await write();
    } catch (error) {
      if (!isStoreUnavailable(error) || performance.now() + delayMs > until) throw error;
    }
    await sleep(delayMs);
  }
}
