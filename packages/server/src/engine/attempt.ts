import { createProblem, isSettled } from '@semel/contract/v1/pure';
import { type Claim, isStoreUnavailable, type Settlement, type SettleResult } from '../store/port.ts';
import { type EngineContext, refused, subjectOf } from './engine-context.ts';
import { classify, DecisionNeeded, type DescribedError, engineErrorIn, LeaseLost } from './failure.ts';
import { firmly } from './firmly.ts';
import { LeasedOperation } from './leased-operation.ts';
import { tombstone } from './outcome.ts';
import { isRefusal } from './refusal.ts';
import { replayed } from './replay.ts';
import type { Handler, RunRequest, RunResult } from './request.ts';
import { outcomesOf } from './sealed-outcomes.ts';

/** What becomes of an attempt that failed for now, where that isn't left to the caller's retry. */
export type FailedForNow = (
  error: unknown,
  /** The step that it came from. */
  step?: string,
) => Extract<Settlement, { lastError: string }>;

/**
 * Runs the handler once under its claim, and settles what became of it.
 *
 * @param askedAt by `performance.now()`, from before the claim was first sent
 * @param failedForNow a worker's; where there is none the operation is released and the error thrown
 */
export async function runAttempt<Tx>(
  context: EngineContext<Tx>,
  request: RunRequest,
  handler: Handler<Tx>,
  claim: Claim,
  askedAt: number,
  failedForNow?: FailedForNow,
): Promise<RunResult> {
  const startedAt = performance.now();
  let concluding = false;
  const lease = context.leases.hold(claim, askedAt, () => {
    // The answer to the settlement says more: this may be the attempt's own end that a renewal has met.
    if (!concluding) context.emit({ type: 'fenced', write: 'renew', ...subjectOf(request, claim) });
  });
  const operation = new LeasedOperation(context, request, claim, lease, askedAt);
  const executed = (result: RunResult, outcome: 'completed' | 'failed'): RunResult => {
    const durationMs = performance.now() - startedAt;
    const byWorker = failedForNow === undefined ? undefined : ({ queued: true } as const);
    context.emit({ type: 'executed', outcome, durationMs, ...byWorker, ...subjectOf(request, claim) });
    return result;
  };
  try {
    const ended = await run(request, handler, operation);
    // What `settle` committed stands, whatever the handler did afterwards.
    if (operation.settled !== undefined) {
      const { settled } = operation;
      const { operationId } = claim;
      return executed(
        settled.outcome === 'completed'
          ? { kind: 'completed', value: settled.value, replayed: false, operationId }
          : { kind: 'failed', error: settled.error, thrown: settled.thrown, replayed: false, operationId },
        settled.outcome,
      );
    }
    concluding = true;
    return await conclude(context, request, claim, operation, ended, executed, failedForNow);
  } finally {
    operation.close();
    lease.end();
  }
}

type Ended =
  | { readonly kind: 'returned'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly error: unknown }
  | { readonly kind: 'threw'; readonly error: unknown }
  /** The handler came to an end, and said what nobody can store: its output, or its "no", is what's wrong. */
  | { readonly kind: 'unstorable'; readonly ok: boolean; readonly error: unknown };

async function run<Tx>(
  { parseOutput, policy, failures }: RunRequest,
  handler: Handler<Tx>,
  operation: LeasedOperation<Tx>,
): Promise<Ended> {
  let returned: unknown;
  try {
    returned = await handler(operation);
    await operation.end();
  } catch (error) {
    // What the handler saw of its steps it has judged itself. What became of those still out then, nobody has.
    const judged = operation.unknown;
    await operation.end();
    const unjudged = operation.abandoned || operation.unknown !== judged;
    // So a "no" isn't the last word, and the caller must not take it for that either.
    if (isRefusal(error)) {
      return unjudged ? { kind: 'threw', error: operation.unknown } : { kind: 'refused', error: error.error };
    }
    return operation.unknown === undefined && classify(error, failures, policy.isFinal) === 'final'
      ? { kind: 'refused', error }
      : { kind: 'threw', error };
  }
  if (isRefusal(returned)) return { kind: 'refused', error: returned.error };
  if (operation.settled !== undefined) return { kind: 'returned', value: returned };
  try {
    return { kind: 'returned', value: parseOutput === undefined ? returned : await parseOutput(returned) };
  } catch (error) {
    return { kind: 'unstorable', ok: true, error };
  }
}

/** A handler that didn't call `settle` is settled by a commit of its own. */
async function conclude<Tx>(
  context: EngineContext<Tx>,
  request: RunRequest,
  claim: Claim,
  operation: LeasedOperation<Tx>,
  ended: Ended,
  executed: (result: RunResult, outcome: 'completed' | 'failed') => RunResult,
  failedForNow: FailedForNow | undefined,
): Promise<RunResult> {
  const { policy, failures } = request;
  const outcomes = outcomesOf(context, request.outcomes, claim);
  const { operationId } = claim;
  const bring = (settlement: Settlement): Promise<SettleResult | undefined> =>
    settleFirmly(context, request, claim, settlement);

  const unstorable = (ok: boolean, error: unknown): Promise<RunResult> =>
    conclude(context, request, claim, operation, { kind: 'unstorable', ok, error }, executed, failedForNow);

  switch (ended.kind) {
    case 'returned': {
      let outcome: string;
      try {
        outcome = outcomes.fromValue(ended.value, policy.maxOutcomeBytes);
      } catch (error) {
        return unstorable(true, error);
      }
      const written = await bring({ to: 'completed', cause: 'succeeded', outcome });
      const lost = await unlessSettled(context, request, claim, written);
      return (
        lost ?? executed({ kind: 'completed', value: ended.value, replayed: false, operationId }, 'completed')
      );
    }
    case 'refused': {
      let error: DescribedError;
      let outcome: string;
      try {
        error = await failures.describe(ended.error);
        outcome = outcomes.fromError(error, policy.maxOutcomeBytes);
      } catch (thrown) {
        return unstorable(false, thrown);
      }
      const written = await bring({ to: 'failed', cause: 'failed', outcome });
      const lost = await unlessSettled(context, request, claim, written);
      return (
        lost ??
        executed({ kind: 'failed', error, thrown: ended.error, replayed: false, operationId }, 'failed')
      );
    }
    case 'unstorable': {
      // Its effects are done: running again would do them twice. It is known that it finished, and no more.
      const outcome = tombstone(ended.ok, 'unreadable');
      await bring(
        ended.ok
          ? { to: 'completed', cause: 'succeeded', outcome }
          : { to: 'failed', cause: 'failed', outcome },
      );
      context.emit({ type: 'outcome_dropped', error: ended.error, ...subjectOf(request, claim) });
      throw ended.error;
    }
    case 'threw':
      return afterError(context, request, claim, operation, ended.error, failedForNow);
  }
}

async function afterError<Tx>(
  context: EngineContext<Tx>,
  request: RunRequest,
  claim: Claim,
  operation: LeasedOperation<Tx>,
  error: unknown,
  failedForNow: FailedForNow | undefined,
): Promise<RunResult> {
  // Another operation's, that this handler called, says nothing about this one.
  if (operation.lost && engineErrorIn(error) instanceof LeaseLost)
    return refused(context, request, 'lease_lost', { cause: error });
  const { unknown } = operation;
  const resumable = request.policy.effects === 'steps' && !(unknown instanceof DecisionNeeded);
  const suspend = unknown !== undefined && !resumable;
  const failed = failedForNow?.(error, operation.failedStep(error));
  const later = suspend ? undefined : failed;
  const noted = failed && { lastError: failed.lastError };
  const end: Settlement =
    later ??
    (suspend
      ? { to: 'suspended', cause: 'outcome_unknown', ...noted }
      : { to: 'released', cause: 'released' });
  const written = await settleFirmly(context, request, claim, end);
  const lost = await unlessSettled(context, request, claim, written);
  if (lost !== undefined) return lost;
  if (suspend) {
    context.emit({ type: 'suspended', error, ...subjectOf(request, claim) });
    const found = await context.store.find(claim.operationId).catch(() => undefined);
    return refused(context, request, 'outcome_unknown', { record: found?.record, cause: error });
  }
  if (later !== undefined) return putOff(context, request, claim, later, error);
  context.emit({ type: 'released', error, ...subjectOf(request, claim) });
  throw error;
}

function putOff<Tx>(
  { emit }: EngineContext<Tx>,
  request: RunRequest,
  claim: Claim,
  later: ReturnType<FailedForNow>,
  error: unknown,
): RunResult {
  const { operationId, attempt } = claim;
  if (later.to === 'accepted') {
    const { delayMs, uncounted } = later;
    const not = uncounted && { uncounted };
    emit({ type: 'rescheduled', delayMs, error, ...not, ...subjectOf(request, claim) });
    return { kind: 'accepted', operationId, state: 'accepted', pollAfterMs: delayMs };
  }
  const { deadLetterOwner } = request.policy;
  const owner = deadLetterOwner === undefined ? undefined : { deadLetterOwner };
  emit({ type: 'dead', error, ...owner, ...subjectOf(request, claim) });
  return {
    kind: 'refused',
    problem: createProblem('outcome_unknown', { operationId, state: 'dead', attempt }),
    cause: error,
  };
}

/** `undefined` when the settlement stands; otherwise the answer for a caller whose attempt didn't get its way. */
async function unlessSettled<Tx>(
  context: EngineContext<Tx>,
  request: RunRequest,
  claim: Claim,
  written: SettleResult | undefined,
): Promise<RunResult | undefined> {
  if (written?.kind === 'settled') return undefined;
  if (written === undefined) {
    // The work was done and the store is away: the record says `processing` until somebody can tell.
    return refused(context, request, 'outcome_unknown', { retryAfterMs: 1000 });
  }
  const found = await context.store.find(claim.operationId).catch(() => undefined);
  const record = found?.record;
  // A commit of this very attempt whose answer had been lost: its outcome is the answer.
  if (record && record.owner === claim.owner && record.attempt === claim.attempt && isSettled(record.state)) {
    return replayed(context, request, record);
  }
  context.emit({ type: 'fenced', write: 'settle', by: written.by, ...subjectOf(request, claim) });
  return refused(context, request, 'lease_lost', { record });
}

/** `undefined` when the store stayed away. */
async function settleFirmly<Tx>(
  context: EngineContext<Tx>,
  request: RunRequest,
  claim: Claim,
  settlement: Settlement,
): Promise<SettleResult | undefined> {
  try {
    return await firmly(claim, () => context.store.settle(claim, settlement, request.trace));
  } catch (error) {
    if (!isStoreUnavailable(error)) throw error;
    return undefined;
  }
}
