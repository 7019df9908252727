import {
  type AtomicEnd,
  type AtomicRequest,
  type AtomicResult,
  isStoreUnavailable,
  isTransactionEndedByHandler,
  type Sighting,
} from '../store/port.ts';
import { AtomicOperation, RunLimit } from './atomic-operation.ts';
import { consult } from './consult.ts';
import { decide } from './decide.ts';
import {
  askingOf,
  type EngineContext,
  identityOf,
  refused,
  storedFingerprint,
  subjectOf,
} from './engine-context.ts';
import { classify } from './failure.ts';
import { operationId } from './random-id.ts';
import { isRefusal } from './refusal.ts';
import type { Call, Handler, RunRequest, RunResult } from './request.ts';
import { outcomesOf, type SealedOutcomes } from './sealed-outcomes.ts';
import { completedWith, failedWith, resultOf, type Settled } from './settlement.ts';
import { pollUntil } from './wait.ts';

/** Atomic mode: look-up, handler and settled record in one transaction and one commit. A crash leaves no trace. */
export async function runAtomic<Tx>(
  context: EngineContext<Tx>,
  { request, handler, mayBeRetry, owner, deadline }: Call<Tx>,
): Promise<RunResult> {
  const { store } = context;
  const { policy } = request;

  if (mayBeRetry) {
    const found = await store.lookup(identityOf(request));
    const { answer } = await consult(context, request, found, deadline);
    if (answer !== undefined) return answer;
  }

  const asking = askingOf(context, request);
  const startedAt = performance.now();
  const id = operationId();
  const fingerprint = storedFingerprint(context, request);
  const first: Attempt = { id, attempt: 1, fingerprint };
  let current = first;
  let tooOld = false;
  const atomic: AtomicRequest = {
    ...identityOf(request),
    operationId: id,
    owner,
    fingerprint,
    policy: policy.recorded,
    trace: request.trace,
    isolation: policy.isolation,
    timeoutMs: policy.maxRunMs,
    mayRun(found) {
      const decision = decide(found, asking);
      // A released operation (its policy was another then) goes on under its own id.
      const goesOn = decision.do === 'take' && decision.cause === 'claimed' ? found?.record : undefined;
      current = goesOn
        ? { id: goesOn.operationId, attempt: goesOn.attempt + 1, fingerprint: goesOn.fingerprint }
        : first;
      // A store lets a call run where there is no record; this one's key may have had one that was forgotten since.
      tooOld = found === undefined && decision.do === 'refuse';
      return tooOld || decision.do === 'claim' || decision.do === 'take';
    },
  };
  /** Of the operation that the store has let run: known once it has asked `mayRun`. */
  const outcomes = (): SealedOutcomes =>
    outcomesOf(context, request.outcomes, {
      ...identityOf(request),
      operationId: current.id,
      fingerprint: current.fingerprint,
    });
  const result = await store
    .atomically(atomic, (tx) => {
      if (tooOld) throw new KeyTooOld();
      return execute(request, handler, tx, current, outcomes());
    })
    .catch((error: unknown) => {
      if (error instanceof KeyTooOld) return undefined;
      if (isTransactionEndedByHandler(error)) return keepFailure(store, request, atomic, outcomes, error);
      if (!isStoreUnavailable(error)) context.emit({ type: 'rolled_back', error, ...subjectOf(request) });
      throw error;
    });

  if (result === undefined) return refused(context, request, 'key_expired');
  switch (result.kind) {
    case 'settled': {
      const { value: settled, operationId, attempt } = result;
      context.emit({
        type: 'executed',
        outcome: settled.outcome,
        durationMs: performance.now() - startedAt,
        ...subjectOf(request, { operationId, attempt }),
      });
      return resultOf(settled, operationId);
    }
    case 'existing':
      return (
        (await consult(context, request, result, deadline)).answer ?? refused(context, request, 'in_flight')
      );
    case 'held':
      return waitForOther(context, request, deadline);
    case 'unknown':
      return refused(context, request, 'outcome_unknown', { cause: result.cause, retryAfterMs: 1000 });
  }
}

/** Rolls the transaction back before its handler has begun. */
class KeyTooOld extends Error {
  override readonly name = 'KeyTooOld';
}

/**
 * A handler that committed by itself has had its effects, and no record says so. Running it again would have them twice:
 * the failure is stored, and replayed, instead.
 */
function keepFailure<Tx>(
  store: EngineContext<Tx>['store'],
  request: RunRequest,
  atomic: AtomicRequest,
  outcomes: () => SealedOutcomes,
  thrown: unknown,
): Promise<AtomicResult<Settled>> {
  return store.atomically(atomic, () => refusedBy(thrown, 'discard', request, outcomes()));
}

interface Attempt {
  readonly id: string;
  readonly attempt: number;
  /** As stored. */
  readonly fingerprint: string;
}

/** Runs the handler inside the transaction and says how it ends. A transient error is thrown on: all is rolled back. */
async function execute<Tx>(
  request: RunRequest,
  handler: Handler<Tx>,
  tx: Tx,
  attempt: Attempt,
  outcomes: SealedOutcomes,
): Promise<AtomicEnd<Settled>> {
  const { policy, failures, parseOutput } = request;
  const limit = new RunLimit(policy.maxRunMs);
  try {
    const returned = await handler(new AtomicOperation(request, tx, attempt, limit));
    if (isRefusal(returned)) return await refusedBy(returned.error, 'keep', request, outcomes);
    const value = parseOutput === undefined ? returned : await parseOutput(returned);
    return {
      settlement: completedWith(value, request, outcomes),
      effects: 'keep',
      value: { outcome: 'completed', value },
    };
  } catch (error) {
    if (classify(error, failures, policy.isFinal) === 'transient') throw error;
    return await refusedBy(isRefusal(error) ? error.error : error, 'discard', request, outcomes);
  } finally {
    limit.end();
  }
}

async function refusedBy(
  thrown: unknown,
  effects: 'keep' | 'discard',
  request: RunRequest,
  outcomes: SealedOutcomes,
): Promise<AtomicEnd<Settled>> {
  const error = await request.failures.describe(thrown);
  return {
    settlement: failedWith(error, request, outcomes),
    effects,
    value: { outcome: 'failed', error, thrown },
  };
}

/** Another transaction holds the operation and shows nothing yet: ask until it shows, or answer `in_flight`. */
async function waitForOther<Tx>(
  context: EngineContext<Tx>,
  request: RunRequest,
  deadline: number,
): Promise<RunResult> {
  const asking = askingOf(context, request);
  const shown = await context.waiters.admit(() =>
    pollUntil<Sighting>(deadline, async () => {
      const found = await context.store.lookup(identityOf(request));
      // What was there before (a released operation, an expired one) is what the other is about to replace.
      return found !== undefined && decide(found, asking).do !== 'take' ? found : undefined;
    }),
  );
  const consulted = shown && (await consult(context, request, shown, deadline));
  return consulted?.answer ?? refused(context, request, 'in_flight', { retryAfterMs: 100 });
}
