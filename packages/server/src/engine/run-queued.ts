import { jobId } from '../jobs/job-id.ts';
import { jobOf } from '../jobs/job-of.ts';
import { isStoreUnavailable, type OperationRecord, type Sighting } from '../store/port.ts';
import type { EnqueueRequest, EnqueueResult } from '../store/queue-port.ts';
import { activeTraceparent } from '../telemetry/tracing.ts';
import { runAttempt } from './attempt.ts';
import { consult } from './consult.ts';
import { type EngineContext, identityOf, refused, storedFingerprint, subjectOf } from './engine-context.ts';
import { insist } from './insist.ts';
import { pollAfterMs } from './poll-hint.ts';
import { operationId } from './random-id.ts';
import type { Call, RunRequest, RunResult } from './request.ts';
import { MAX_ROUNDS } from './run-leased.ts';
import { outcomesOf } from './sealed-outcomes.ts';
import { sleep } from './wait.ts';

/**
 * Queued mode, in the request: the record, its work and its job in one commit, and 202. Nothing is handled here, but for one
 * case: a record that was claimed as `leased` (the policy was another then) goes on in the request, as it was promised.
 */
export async function runQueued<Tx>(
  context: EngineContext<Tx>,
  { request, handler, mayBeRetry, owner, deadline }: Call<Tx>,
): Promise<RunResult> {
  const { store } = context;
  let found: Sighting | undefined = mayBeRetry ? await store.lookup(identityOf(request)) : undefined;
  let prepared: EnqueueRequest | undefined;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { answer, take } = await consult(context, request, found, deadline);
    if (answer !== undefined) return answer;
    // One request to enqueue, whatever happens to it on its way: that is what makes it re-entrant.
    prepared ??= enqueueRequest(context, request, owner);
    if (take !== undefined && take.cause !== 'expired') {
      const askedAt = performance.now();
      const claimRequest = prepared;
      const taken = await insist(context, claimRequest, () =>
        store.take(claimRequest, take.record, take.cause),
      );
      if (taken.won) {
        context.emit({ type: 'claimed', cause: take.cause, ...subjectOf(request, taken.claim) });
        return runAttempt(context, request, handler, taken.claim, askedAt);
      }
      found = taken;
      continue;
    }
    const enqueued = await enqueue(context, request, prepared, take?.record);
    if ('kind' in enqueued) return enqueued;
    if (enqueued.won) {
      const { record } = enqueued;
      context.emit({ type: 'enqueued', ...subjectOf(request, record) });
      return {
        kind: 'accepted',
        operationId: record.operationId,
        state: 'accepted',
        pollAfterMs: pollAfterMs(record, record.createdAt),
      };
    }
    found = enqueued;
  }
  return refused(context, request, 'in_flight', { record: found?.record });
}

function enqueueRequest<Tx>(context: EngineContext<Tx>, request: RunRequest, owner: string): EnqueueRequest {
  const { queued, policy, outcomes, trace } = request;
  if (queued === undefined) throw new TypeError('A queued call says who asks and with which input');
  // Where a policy picks what identifies a request, nobody has looked at the rest: serialised, a form would be an empty object.
  if (queued.input instanceof FormData) {
    throw new TypeError(
      "A queued call can't take a FormData: a worker could not be given it. Send plain values",
    );
  }
  const subject = {
    ...identityOf(request),
    operationId: operationId(),
    fingerprint: storedFingerprint(context, request),
  };
  const input = outcomesOf(context, outcomes, subject).input(queued.input);
  const { deadLetterOwner } = policy;
  const work = { principal: queued.principal, input };
  return {
    ...subject,
    owner,
    policy: policy.recorded,
    trace,
    work: deadLetterOwner === undefined ? work : { ...work, deadLetterOwner },
  };
}

/** Enqueues, and again when the answer gets lost: the owner recognises itself. A queue that is away is answered as 503. */
async function enqueue<Tx>(
  context: EngineContext<Tx>,
  request: RunRequest,
  prepared: EnqueueRequest,
  expired: OperationRecord | undefined,
): Promise<EnqueueResult | RunResult> {
  const { store, jobs } = context;
  if (jobs === undefined) throw new TypeError("mode 'queued' needs jobs: createSemel({ store, jobs })");
  const job = jobOf(prepared, activeTraceparent());
  // The first version that its record has.
  const id = jobId(prepared.operationId, 1);
  let unsent: { readonly error: unknown } | undefined;
  const once = (): Promise<EnqueueResult> =>
    store.queue.enqueue(expired === undefined ? prepared : { ...prepared, expired }, async (tx) => {
      try {
        await jobs.send(tx, job, { id, delayMs: 0 });
      } catch (error) {
        unsent = { error };
        throw error;
      }
    });
  try {
    return await once().catch(async (error: unknown) => {
      if (!isStoreUnavailable(error)) throw error;
      await sleep(20);
      return once();
    });
  } catch (error) {
    if (unsent?.error !== error) throw error;
    // Nothing remains of it: without its job the record would be a promise that nobody keeps.
    return refused(context, request, 'store_unavailable', { cause: error });
  }
}
