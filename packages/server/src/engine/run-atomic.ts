import { childKey } from '@semel/contract/v1/pure';
import {
  type AtomicEnd,
  type AtomicRequest,
  type AtomicResult,
  isStoreUnavailable,
  isTransactionEndedByHandler,
  type Sighting,
} from '../store/port.ts';
import { behindLayers } from './behind-layers.ts';
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
import { classify, type DescribedError, OperationMisuse } from './failure.ts';
import type { Operation } from './operation.ts';
import { operationId } from './random-id.ts';
import { isRefusal, Refusal } from './refusal.ts';
import type { Handler, RunRequest, RunResult } from './request.ts';
import { outcomesOf, type SealedOutcomes } from './sealed-outcomes.ts';
import { pollUntil } from './wait.ts';

/**
 * Atomic mode: look-up, handler and settled record in one transaction and one commit. A crash leaves no trace.
 *
 * @param mayBeRetry look first, outside any transaction: a replay then costs one SELECT. Only a hint: either way
 *   the transaction looks again under the lock.
 */
export function runAtomic<Tx>(
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
  const { policy } = request;
  const asking = askingOf(context, request);

  if (mayBeRetry) {
    const found = await store.lookup(identityOf(request));
    const { answer } = await consult(context, request, found, deadline);
    if (answer !== undefined) return answer;
  }

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
      const { outcome, failed } = result.value;
      const { operationId } = result;
      context.emit({
        type: 'executed',
        outcome,
        durationMs: performance.now() - startedAt,
        ...subjectOf(request, { operationId, attempt: result.attempt }),
      });
      return failed === undefined
        ? { kind: 'completed', value: result.value.value, replayed: false, operationId }
        : { kind: 'failed', ...failed, replayed: false, operationId };
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
async function keepFailure<Tx>(
  store: EngineContext<Tx>['store'],
  request: RunRequest,
  atomic: AtomicRequest,
  outcomes: () => SealedOutcomes,
  thrown: unknown,
): Promise<AtomicResult<Executed>> {
  const error = await request.failures.describe(thrown);
  return store.atomically(atomic, async () => ({
    settlement: {
      to: 'failed',
      cause: 'failed',
      outcome: outcomes().fromError(error, request.policy.maxOutcomeBytes),
    },
    effects: 'discard',
    value: { outcome: 'failed', failed: { error, thrown } },
  }));
}

interface Attempt {
  readonly id: string;
  readonly attempt: number;
  /** As stored. */
  readonly fingerprint: string;
}

interface Executed {
  readonly outcome: 'completed' | 'failed';
  readonly value?: unknown;
  readonly failed?: { readonly error: DescribedError; readonly thrown: unknown };
}

/** Runs the handler inside the transaction and says how it ends. A transient error is thrown on: all is rolled back. */
async function execute<Tx>(
  request: RunRequest,
  handler: Handler<Tx>,
  tx: Tx,
  attempt: Attempt,
  outcomes: SealedOutcomes,
): Promise<AtomicEnd<Executed>> {
  const { policy, failures, parseOutput } = request;
  const limit = new AbortController();
  const timer = setTimeout(
    () => limit.abort(new Error(`The handler ran longer than ${policy.maxRunMs} ms`)),
    policy.maxRunMs,
  );
  const failedEnd = async (error: unknown, effects: 'keep' | 'discard'): Promise<AtomicEnd<Executed>> => {
    const described = await failures.describe(error);
    return {
      settlement: {
        to: 'failed',
        cause: 'failed',
        outcome: outcomes.fromError(described, policy.maxOutcomeBytes),
      },
      effects,
      value: { outcome: 'failed', failed: { error: described, thrown: error } },
    };
  };
  try {
    const returned = await handler(atomicOperation(request, tx, attempt, limit.signal));
    if (isRefusal(returned)) return await failedEnd(returned.error, 'keep');
    const value = parseOutput === undefined ? returned : await parseOutput(returned);
    return {
      settlement: {
        to: 'completed',
        cause: 'succeeded',
        outcome: outcomes.fromValue(value, policy.maxOutcomeBytes),
      },
      effects: 'keep',
      value: { outcome: 'completed', value },
    };
  } catch (error) {
    if (classify(error, failures, policy.isFinal) === 'transient') throw error;
    return await failedEnd(isRefusal(error) ? error.error : error, 'discard');
  } finally {
    clearTimeout(timer);
  }
}

function atomicOperation<Tx>(
  request: RunRequest,
  tx: Tx,
  { id, attempt }: Attempt,
  signal: AbortSignal,
): Operation<Tx> {
  const { scope, procedure, key } = request;
  const onlyLeased = (what: string) => (): never => {
    throw new OperationMisuse(
      `operation.${what} belongs to mode 'leased'. In atomic mode write through operation.tx and return the output; for effects outside the database set mode: 'leased'.`,
    );
  };
  return {
    id,
    attempt,
    scope,
    procedure,
    key,
    mode: 'atomic',
    signal,
    tx,
    step: onlyLeased('step'),
    transaction: onlyLeased('transaction'),
    settle: onlyLeased('settle'),
    progress: onlyLeased('progress'),
    refuse: (error) => new Refusal(error),
    childKey: (step) => childKey({ scope, procedure, key, step }),
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
