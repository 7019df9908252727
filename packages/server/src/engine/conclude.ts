import { createProblem, isSettled } from '@semel/contract/v1/pure';
import { type Claim, isStoreUnavailable, type Settlement, type SettleResult } from '../store/port.ts';
import { type EngineContext, refused, subjectOf } from './engine-context.ts';
import { DecisionNeeded, engineErrorIn, LeaseLost } from './failure.ts';
import { firmly } from './firmly.ts';
import { lastErrorFrom } from './last-error.ts';
import type { LeasedOperation } from './leased-operation.ts';
import { tombstone } from './outcome.ts';
import { replayed } from './replay.ts';
import type { RunRequest, RunResult } from './request.ts';
import { sealedJson } from './sealed-outcomes.ts';
import { completedWith, failedWith, resultOf, type Settled } from './settlement.ts';

/** What becomes of an attempt that failed for now, where that isn't left to the caller's retry. */
export type FailedForNow = (
  error: unknown,
  /** The step that it came from. */
  step?: string,
) => Extract<Settlement, { lastError: string }>;

/** One execution of a handler under its claim. */
export interface Attempt<Tx> {
  readonly context: EngineContext<Tx>;
  readonly request: RunRequest;
  readonly claim: Claim;
  readonly operation: LeasedOperation<Tx>;
  /** A worker's. Where there is none the operation is released and the error thrown. */
  readonly failedForNow: FailedForNow | undefined;
  /** By `performance.now()`. */
  readonly startedAt: number;
}

/** How a handler that didn't call `settle` came to its end. */
export type Ended =
  | { readonly kind: 'returned'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly error: unknown }
  | { readonly kind: 'threw'; readonly error: unknown };

/** Settles it by a commit of its own. */
export async function conclude<Tx>(attempt: Attempt<Tx>, ended: Ended): Promise<RunResult> {
  if (ended.kind === 'threw') return afterError(attempt, ended.error);
  const { request, operation, claim } = attempt;
  let settled: Settled;
  let settlement: Settlement;
  try {
    if (ended.kind === 'returned') {
      const { parseOutput } = request;
      const value = parseOutput === undefined ? ended.value : await parseOutput(ended.value);
      settled = { outcome: 'completed', value };
      settlement = completedWith(value, request, operation.outcomes);
    } else {
      const error = await request.failures.describe(ended.error);
      settled = { outcome: 'failed', error, thrown: ended.error };
      settlement = failedWith(error, request, operation.outcomes);
    }
  } catch (error) {
    return unstorable(attempt, ended.kind === 'returned', error);
  }
  const written = await settleFirmly(attempt, settlement);
  const instead = await unlessSettled(attempt, written);
  return instead ?? executed(attempt, resultOf(settled, claim.operationId), settled.outcome);
}

/** Tells that the outcome is stored. */
export function executed<Tx>(
  { context, request, claim, failedForNow, startedAt }: Attempt<Tx>,
  result: RunResult,
  outcome: 'completed' | 'failed',
): RunResult {
  const durationMs = performance.now() - startedAt;
  const byWorker = failedForNow === undefined ? undefined : ({ queued: true } as const);
  context.emit({ type: 'executed', outcome, durationMs, ...byWorker, ...subjectOf(request, claim) });
  return result;
}

/**
 * The handler came to an end, and said what nobody can store: its output, or its "no", is what's wrong. Its effects are done:
 * running again would do them twice. It is known that it finished, and no more.
 */
async function unstorable<Tx>(attempt: Attempt<Tx>, ok: boolean, error: unknown): Promise<never> {
  const { context, request, claim } = attempt;
  const outcome = tombstone(ok, 'unreadable');
  await settleFirmly(
    attempt,
    ok ? { to: 'completed', cause: 'succeeded', outcome } : { to: 'failed', cause: 'failed', outcome },
  );
  context.emit({ type: 'outcome_dropped', error, ...subjectOf(request, claim) });
  throw error;
}

async function afterError<Tx>(attempt: Attempt<Tx>, error: unknown): Promise<RunResult> {
  const { context, request, claim, operation } = attempt;
  // Another operation's, that this handler called, says nothing about this one.
  if (operation.lost && engineErrorIn(error) instanceof LeaseLost)
    return refused(context, request, 'lease_lost', { cause: error });
  // Whoever looks at what failed wants to know how far it had come.
  await operation.lastProgress();
  const { unknown } = operation;
  const resumable = request.policy.effects === 'steps' && !(unknown instanceof DecisionNeeded);
  const suspend = unknown !== undefined && !resumable;
  const later = suspend ? undefined : attempt.failedForNow?.(error, operation.failedStep(error));
  const end: Settlement =
    later ?? (suspend ? suspendedBy(attempt, unknown) : { to: 'released', cause: 'released' });
  const written = await settleFirmly(attempt, end);
  const instead = await unlessSettled(attempt, written);
  if (instead !== undefined) return instead;
  if (suspend) {
    context.emit({ type: 'suspended', error, ...subjectOf(request, claim) });
    const found = await context.store.find(claim.operationId).catch(() => undefined);
    return refused(context, request, 'outcome_unknown', { record: found?.record, cause: error });
  }
  if (later !== undefined) return putOff(attempt, later, error);
  context.emit({ type: 'released', error, ...subjectOf(request, claim) });
  throw error;
}

/** Its claim was won when this process had given up already. Nothing has begun, so another may, whatever its policy says of a crash. */
export async function notBegun<Tx>(attempt: Attempt<Tx>): Promise<RunResult> {
  const { context, request, claim, failedForNow } = attempt;
  const error = new Error('The server was shut down');
  const lastError = failedForNow?.(error).lastError;
  const later =
    lastError === undefined
      ? undefined
      : ({ to: 'accepted', cause: 'rescheduled', delayMs: 0, lastError, uncounted: true } as const);
  const written = await settleFirmly(attempt, later ?? { to: 'released', cause: 'released' });
  const instead = await unlessSettled(attempt, written);
  if (instead !== undefined) return instead;
  if (later !== undefined) return putOff(attempt, later, error);
  context.emit({ type: 'released', error, ...subjectOf(request, claim) });
  return refused(context, request, 'store_unavailable', { retryAfterMs: 1000, cause: error });
}

/**
 * With why it isn't known: whoever decides about it needs to know which step it was, and what the other side knows it by. What the
 * handler threw in the end may be about another one.
 */
function suspendedBy<Tx>({ context, claim, operation }: Attempt<Tx>, unknown: unknown): Settlement {
  const word = lastErrorFrom(unknown, operation.failedStep(unknown));
  const lastError = sealedJson(context, claim, 'error', word);
  return { to: 'suspended', cause: 'outcome_unknown', lastError };
}

function putOff<Tx>(
  { context: { emit }, request, claim }: Attempt<Tx>,
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
  { context, request, claim }: Attempt<Tx>,
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
  { context, request, claim }: Attempt<Tx>,
  settlement: Settlement,
): Promise<SettleResult | undefined> {
  try {
    return await firmly(claim, () => context.store.settle(claim, settlement, request.trace));
  } catch (error) {
    if (!isStoreUnavailable(error)) throw error;
    return undefined;
  }
}
