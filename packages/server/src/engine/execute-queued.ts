import { isSettled, type Job } from '@semel/contract/v1/pure';
import { backoffMs } from '../jobs/backoff.ts';
import { freshJobId, jobId } from '../jobs/job-id.ts';
import { jobOf } from '../jobs/job-of.ts';
import { type Claim, isStoreUnavailable, type Sighting, type Store, type Trace } from '../store/port.ts';
import type { QueuedWork, StartResult } from '../store/queue-port.ts';
import { activeTraceId, spanContextOf, withJobSpan } from '../telemetry/tracing.ts';
import { type FailedForNow, runAttempt } from './attempt.ts';
import { type EngineContext, subjectOf } from './engine-context.ts';
import type { FailureCodec } from './failure.ts';
import { firmly } from './firmly.ts';
import { lastErrorFrom } from './last-error.ts';
import type { RunRequest } from './request.ts';
import { openInput, sealedJson } from './sealed-outcomes.ts';
import { sleep, withDeadline } from './wait.ts';
import type { WorkerCall, WorkerProcedure, WorkerProcedures } from './worker-procedures.ts';

/** Another deployment may have the procedure: no attempt is spent on finding out. */
const ELSEWHERE_MS = { minMs: 5_000, maxMs: 30_000 };
/** Before the handler: nothing that the operation could mend, and soon over or long. Not at its own, perhaps quick, pace. */
const UNREACHED_MS = { minMs: 1_000, maxMs: 300_000 };
/** So often, however it is spread: hours, by the pace above. After that it is a failure like any other. */
const MAX_UNREACHED = 100;

/** What became of a delivery. In every case its job is done with; one that can't be dealt with rejects. */
export type Executed =
  /** An attempt ran, and what became of it is on record. */
  | 'ran'
  /** Settled, waiting for a decision, or held by a live attempt: its own end, or healing, sends the next job. */
  | 'not_now'
  /** No such operation. */
  | 'absent'
  /** Its time hasn't come: the job was put back until then. */
  | 'early'
  /** This worker doesn't have the procedure: the job was put back. */
  | 'elsewhere';

/**
 * The worker's side: one delivery of one job. The store decides whether it runs; delivered twice, or late, it doesn't.
 *
 * @param owner made for this one delivery
 */
export function executeQueued<Tx>(
  context: EngineContext<Tx>,
  procedures: WorkerProcedures<Tx>,
  job: Job,
  owner: string,
): Promise<Executed> {
  return withJobSpan(job.procedure, job.traceparent, async (span) => {
    const executed = await deliver(context, procedures, job, owner);
    span.setAttributes({ 'idempotency.outcome': executed, 'idempotency.operation.id': job.operationId });
    return executed;
  });
}

async function deliver<Tx>(
  context: EngineContext<Tx>,
  procedures: WorkerProcedures<Tx>,
  job: Job,
  owner: string,
): Promise<Executed> {
  let givenUp = false;
  if (!procedures.has(job.procedure)) {
    const dealtWith = await putBack(context, procedures, job);
    if (typeof dealtWith === 'string') return dealtWith;
    ({ givenUp } = dealtWith);
  }
  const traceId = activeTraceId() ?? spanContextOf(job.traceparent)?.traceId;
  const trace: Trace = traceId === undefined ? { actor: 'worker' } : { actor: 'worker', traceId };
  const askedAt = performance.now();
  const started = await start(context, { operationId: job.operationId, owner, trace });
  if (started.kind === 'early') {
    // It may be the only one there is, come too soon by the queue's clock; a job too many is refused then as well.
    await context.jobs?.send(undefined, job, { id: freshJobId(), delayMs: started.dueInMs });
  }
  if (started.kind !== 'started') return started.kind;
  const { claim, work, cause } = started;
  const waitedMs = claim.attempt === 1 ? { waitedMs: Math.max(0, claim.now - claim.createdAt) } : undefined;
  context.emit({ type: 'started', cause, ...waitedMs, ...subjectOf(claim, claim) });
  try {
    // A job is only a hint: which procedure it is the record says.
    const procedure = procedures.get(claim.procedure);
    await whileHeld(
      context,
      claim,
      runStarted(context, procedure, claim, work, { trace, askedAt, job, givenUp }),
    );
  } catch (error) {
    // A handler whose output can't be stored has settled all the same; anything else is tried again.
    const found = await context.store.find(claim.operationId);
    const ended = found === undefined || found.record.state !== 'processing' || found.record.owner !== owner;
    if (!ended) throw error;
  }
  return 'ran';
}

/**
 * A handler that never ends, whatever its signal says, must not keep one of its worker's places for ever. By then its lease
 * is over: nothing that it writes is taken any more, and the record says who goes on.
 */
async function whileHeld<Tx>(
  { emit }: EngineContext<Tx>,
  { procedure, operationId, policy }: Claim,
  running: Promise<void>,
): Promise<void> {
  const deadline = performance.now() + policy.maxRunMs + policy.leaseMs;
  const ended = await withDeadline(
    running.then(() => true),
    deadline,
  );
  if (ended === true) return;
  const error = new Error(
    `${procedure} still runs for ${operationId}, though its lease is over: left to itself`,
  );
  emit({ type: 'worker_failed', error });
}

async function start<Tx>(
  { store }: EngineContext<Tx>,
  request: { readonly operationId: string; readonly owner: string; readonly trace: Trace },
): Promise<StartResult> {
  try {
    return await store.queue.start(request);
  } catch (error) {
    if (!isStoreUnavailable(error)) throw error;
    // Its answer may be lost: the owner recognises itself.
    await sleep(20);
    return store.queue.start(request);
  }
}

/** Says otherwise that it has to be started all the same: the job's name for it was wrong and it is one of ours, or nobody has it. */
async function putBack<Tx>(
  { store, jobs, emit }: EngineContext<Tx>,
  procedures: WorkerProcedures<Tx>,
  job: Job,
): Promise<Executed | { readonly givenUp: boolean }> {
  const found = await store.find(job.operationId);
  if (found === undefined) return 'absent';
  const { operationId, scope, procedure, state } = found.record;
  if (procedures.has(procedure)) return { givenUp: false };
  if (isSettled(state) || state === 'suspended' || state === 'dead') return 'not_now';
  if (await isEverybodysMiss(store, found)) return { givenUp: true };
  emit({ type: 'unknown_procedure', operationId, scope, procedure });
  const delayMs = ELSEWHERE_MS.minMs + Math.floor(Math.random() * (ELSEWHERE_MS.maxMs - ELSEWHERE_MS.minMs));
  await jobs?.send(undefined, jobOf(found.record, job.traceparent), { id: freshJobId(), delayMs });
  return 'elsewhere';
}

/**
 * It was tried, so nobody can cancel it any more, and has been due for a whole downstream window (20 hours) without a worker that
 * has its procedure: its steps may not run any more. Were it put back for ever nobody could decide about it: its owner gets it.
 */
async function isEverybodysMiss<Tx>(store: Store<Tx>, { record, now }: Sighting): Promise<boolean> {
  const { operationId, state, attempt, firstClaimedAt, policy } = record;
  if (state !== 'accepted' || attempt === 0 || now < firstClaimedAt + policy.downstreamWindowMs) return false;
  const { dueAt } = (await store.queue.work(operationId)) ?? { dueAt: now };
  return now >= dueAt + policy.downstreamWindowMs;
}

interface Started {
  readonly trace: Trace;
  readonly askedAt: number;
  readonly job: Job;
  /** No worker has had its procedure for long: this attempt is there to end it. */
  readonly givenUp: boolean;
}

async function runStarted<Tx>(
  context: EngineContext<Tx>,
  procedure: WorkerProcedure<Tx> | undefined,
  claim: Claim,
  work: QueuedWork,
  started: Started,
): Promise<void> {
  const { trace, askedAt, job } = started;
  const { backoff } = procedure?.policy ?? { backoff: ELSEWHERE_MS };
  const { attempt } = claim;
  let call: WorkerCall<Tx> | undefined;
  const failedForNow: FailedForNow = (error, step) => {
    const lastError = sealedJson(context, claim, 'error', lastErrorFrom(error, step));
    const cause = 'rescheduled';
    if (attempt <= MAX_UNREACHED && !hasReached(call, error)) {
      const delayMs = backoffMs(attempt, slower(backoff, UNREACHED_MS));
      return { to: 'accepted', cause, delayMs, lastError, uncounted: true };
    }
    return attempt < claim.policy.maxAttempts
      ? { to: 'accepted', cause, delayMs: backoffMs(attempt, backoff), lastError }
      : { to: 'dead', cause: 'exhausted', lastError };
  };
  if (procedure === undefined) {
    return missed(context, claim, work, failedForNow, started);
  }
  const input = openInput(context, procedure.outcomes, claim, work.input);
  if (input === undefined) {
    const end = { to: 'suspended', cause: 'outcome_unknown' } as const;
    const written = await firmly(claim, () => context.store.settle(claim, end, trace));
    if (written.kind === 'settled') context.emit({ type: 'suspended', ...subjectOf(claim, claim) });
    return;
  }
  const { principal, deadLetterOwner } = work;
  // Of the one to whom it was promised: today's policy may name another, whom the record doesn't.
  const owner = { deadLetterOwner };
  const execution = begun(procedure, () => procedure.begin({ principal, input: input.value, record: claim }));
  call = execution;
  const request: RunRequest = {
    scope: claim.scope,
    procedure: claim.procedure,
    key: claim.key,
    ageMs: undefined,
    fingerprint: claim.fingerprint,
    // What it was claimed under, and today's code for the rest.
    policy: { ...procedure.policy, ...claim.policy, recorded: claim.policy, ...owner },
    failures: execution.failures,
    outcomes: procedure.outcomes,
    parseOutput: execution.parseOutput,
    trace,
  };
  const result = await runAttempt(
    context,
    request,
    (operation) => execution.handle(operation),
    claim,
    askedAt,
    failedForNow,
  );
  if (result.kind === 'accepted') await sendNext(context, claim, result.pollAfterMs, job);
}

/** Started for a procedure that this worker doesn't have: by a job that named another, or to end it. */
async function missed<Tx>(
  context: EngineContext<Tx>,
  claim: Claim,
  { deadLetterOwner }: QueuedWork,
  failedForNow: FailedForNow,
  { trace, job, givenUp }: Started,
): Promise<void> {
  const { store, emit } = context;
  const { operationId, scope, procedure } = claim;
  emit({ type: 'unknown_procedure', operationId, scope, procedure });
  const error = new Error(`This worker has no procedure ${procedure}`);
  const failed = failedForNow(error);
  const { lastError } = failed;
  const end = givenUp ? ({ to: 'dead', cause: 'exhausted', lastError } as const) : failed;
  const written = await firmly(claim, () => store.settle(claim, end, trace));
  if (written.kind !== 'settled') return;
  const subject = subjectOf(claim, claim);
  if (end.to === 'dead') {
    emit({ type: 'dead', error, ...(deadLetterOwner !== undefined && { deadLetterOwner }), ...subject });
  } else {
    const { delayMs, uncounted } = end;
    emit({ type: 'rescheduled', delayMs, error, ...(uncounted && { uncounted }), ...subject });
    await sendNext(context, claim, delayMs, job);
  }
}

/** A guard's verdict is one about the operation, as is whatever its handler threw. The rest is this worker's own trouble. */
function hasReached<Tx>(call: WorkerCall<Tx> | undefined, error: unknown): boolean {
  if (call === undefined) return false;
  if (call.hasReached?.() !== false) return true;
  const status = call.failures.statusOf(error);
  return status !== undefined && status < 500;
}

type Pace = WorkerProcedure['policy']['backoff'];
const slower = (a: Pace, b: Pace): Pace => ({
  minMs: Math.max(a.minMs, b.minMs),
  maxMs: Math.max(a.maxMs, b.maxMs),
});

/** A context that can't be made is a failure of this attempt, like any other. */
function begun<Tx>(procedure: WorkerProcedure<Tx>, begin: () => WorkerCall<Tx>): WorkerCall<Tx> {
  try {
    return begin();
  } catch (error) {
    const failures: FailureCodec = {
      statusOf: () => undefined,
      describe: () => ({ httpStatus: 500, code: 'INTERNAL_SERVER_ERROR', message: procedure.name }),
    };
    return { failures, parseOutput: undefined, hasReached: () => false, handle: () => Promise.reject(error) };
  }
}

/** The job for the state that this attempt left. If it gets lost here, healing sends another. */
export async function sendNext<Tx>(
  { store, jobs, emit }: EngineContext<Tx>,
  { operationId }: Pick<Claim, 'operationId'>,
  delayMs: number,
  job?: Job,
): Promise<void> {
  try {
    const record = (await store.find(operationId))?.record;
    if (record?.state !== 'accepted') return;
    const id = jobId(operationId, record.version);
    await jobs?.send(undefined, jobOf(record, job?.traceparent), { id, delayMs });
  } catch (error) {
    emit({ type: 'worker_failed', error });
  }
}
