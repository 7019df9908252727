import type { ClaimRequest, Sighting } from '../store/port.ts';
import { runAttempt } from './attempt.ts';
import { consult } from './consult.ts';
import { type EngineContext, identityOf, refused, storedFingerprint, subjectOf } from './engine-context.ts';
import { insist } from './insist.ts';
import { operationId } from './random-id.ts';
import type { Call, RunResult } from './request.ts';

/** How often a claim may lose to a change under its eyes before the caller is sent away to ask again. */
export const MAX_ROUNDS = 8;

/** Leased mode: the claim is committed first, then the handler runs under a lease that is renewed. */
export async function runLeased<Tx>(
  context: EngineContext<Tx>,
  { request, handler, mayBeRetry, owner, deadline }: Call<Tx>,
): Promise<RunResult> {
  const { store } = context;
  let found: Sighting | undefined = mayBeRetry ? await store.lookup(identityOf(request)) : undefined;
  let prepared: ClaimRequest | undefined;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { answer, take } = await consult(context, request, found, deadline);
    if (answer !== undefined) return answer;
    prepared ??= {
      ...identityOf(request),
      operationId: operationId(),
      owner,
      fingerprint: storedFingerprint(context, request),
      policy: request.policy.recorded,
      trace: request.trace,
    };
    const claim = prepared;
    const askedAt = performance.now();
    const result = await insist(context, claim, () =>
      take === undefined ? store.claim(claim) : store.take(claim, take.record, take.cause),
    );
    if (result.won) {
      context.emit({ type: 'claimed', cause: take?.cause ?? 'claimed', ...subjectOf(request, result.claim) });
      return runAttempt(context, request, handler, result.claim, askedAt);
    }
    found = result;
  }
  return refused(context, request, 'in_flight', { record: found?.record });
}
