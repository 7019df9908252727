import { type ClaimRequest, type ClaimResult, isStoreUnavailable, type Sighting } from '../store/port.ts';
import { runAttempt } from './attempt.ts';
import { behindLayers } from './behind-layers.ts';
import { consult } from './consult.ts';
import { type EngineContext, identityOf, refused, storedFingerprint, subjectOf } from './engine-context.ts';
import { operationId } from './random-id.ts';
import type { Handler, RunRequest, RunResult } from './request.ts';
import { sleep, sleepAside } from './wait.ts';

/** How often a claim may lose to a change under its eyes before the caller is sent away to ask again. */
const MAX_ROUNDS = 8;

/**
 * Leased mode: the claim is committed first, then the handler runs under a lease that is renewed.
 *
 * @param mayBeRetry look before claiming: a replay then costs one SELECT.
 */
export function runLeased<Tx>(
  context: EngineContext<Tx>,
  request: RunRequest,
  handler: Handler<Tx>,
  mayBeRetry: boolean,
): Promise<RunResult> {
  const deadline = performance.now() + request.policy.waitMs;
  return behindLayers(context, request, deadline, (owner) =>
    runOnAuthority(context, request, handler, mayBeRetry, owner, deadline),
  );
}

async function runOnAuthority<Tx>(
  context: EngineContext<Tx>,
  request: RunRequest,
  handler: Handler<Tx>,
  mayBeRetry: boolean,
  owner: string,
  deadline: number,
): Promise<RunResult> {
  const { store } = context;
  // One owner for this request, whatever happens to the claim on its way: that is what makes it re-entrant.
  const claimRequest: ClaimRequest = {
    ...identityOf(request),
    operationId: operationId(),
    owner,
    fingerprint: storedFingerprint(context, request),
    policy: request.policy.recorded,
    trace: request.trace,
  };

  let found: Sighting | undefined = mayBeRetry ? await store.lookup(identityOf(request)) : undefined;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { answer, take } = { take: undefined, ...(await consult(context, request, found, deadline)) };
    if (answer !== undefined) return answer;
    const askedAt = performance.now();
    const result = await insist(context, claimRequest, () =>
      take === undefined ? store.claim(claimRequest) : store.take(claimRequest, take.record, take.cause),
    );
    if (result.won) {
      context.emit({ type: 'claimed', cause: take?.cause ?? 'claimed', ...subjectOf(request, result.claim) });
      return runAttempt(context, request, handler, result.claim, askedAt);
    }
    found = result;
  }
  return refused(context, request, 'in_flight', { record: found?.record });
}

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
