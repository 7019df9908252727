import { childKey } from '@semel/contract/v1/pure';
import { jobId } from '../jobs/job-id.ts';
import { jobOf } from '../jobs/job-of.ts';
import type { Decision, Resolution } from '../store/decision-port.ts';
import type { OperationRecord, Sighting } from '../store/port.ts';
import { type EngineContext, subjectOf } from './engine-context.ts';
import type { DescribedError } from './failure.ts';
import type { Resolved, UndecidedOperation } from './policy.ts';
import { openInput, openStep, outcomesOf } from './sealed-outcomes.ts';
import type { WorkerProcedure, WorkerProcedures } from './worker-procedures.ts';

/**
 * Offers what waits for a decision to the resolvers of its procedures. What only people can decide, or another deployment's
 * resolver, is left to them: it keeps nothing else from its turn, and nobody is told that it was offered.
 *
 * @returns one promise for each resolver that is now being asked; none rejects
 */
export async function offerUndecided<Tx>(
  context: EngineContext<Tx>,
  procedures: WorkerProcedures<Tx>,
  options: { readonly limit: number; readonly everyMs: number },
): Promise<readonly Promise<void>[]> {
  const resolvable = [...procedures].filter(([, { policy }]) => policy.resolve !== undefined);
  const names = resolvable.map(([name]) => name);
  if (names.length === 0) return [];
  const offered = await context.store.decisions.offer({ ...options, procedures: names });
  return offered.flatMap((record) => {
    const procedure = procedures.get(record.procedure);
    if (procedure === undefined) return [];
    const failed = (error: unknown): void =>
      context.emit({ type: 'resolver_failed', error, ...subjectOf(record, record) });
    return [ask(context, procedure, record).catch(failed)];
  });
}

async function ask<Tx>(
  context: EngineContext<Tx>,
  procedure: WorkerProcedure<Tx>,
  record: OperationRecord,
): Promise<void> {
  const { store } = context;
  const { operationId, version } = record;
  const found = await store.find(operationId);
  if (found === undefined || !(await isQuiet(context, found))) return;
  const undecided = await undecidedFrom(context, procedure, record);
  if (undecided === undefined) return;
  // Only as it was when it was read: if something has happened since, what the resolver is told is no longer so.
  const decision: Decision = { actor: 'resolver', reason: `the resolver of ${record.procedure}`, version };
  let runAgain = false;
  const decided = await store.decisions.resolve(
    operationId,
    async (tx, locked) => {
      const resolved = await procedure.policy.resolve?.(undecided, tx);
      runAgain = resolved === 'run_again';
      return resolutionFrom(context, procedure, locked, undecided, resolved);
    },
    decision,
  );
  if (decided.kind === 'done') {
    const { state: to } = decided.record;
    context.emit({
      type: 'decided',
      action: 'resolved',
      to,
      actor: 'resolver',
      ...subjectOf(record, record),
    });
  } else if (runAgain) await letRunAgain(context, record, decision);
}

/**
 * A process that was only paused finds out, by its lease, that it was given up, before it begins anything new. One whose last
 * attempt has itself said that it failed need not be waited for.
 */
async function isQuiet<Tx>({ store }: EngineContext<Tx>, { record, now }: Sighting): Promise<boolean> {
  const { operationId, state, updatedAt, policy } = record;
  if (state !== 'dead' && state !== 'suspended') return false;
  if (now >= updatedAt + policy.leaseMs) return true;
  return state === 'dead' && (await store.history(operationId)).at(-1)?.actor === 'worker';
}

/** `undefined` and an alert where what is known of it can't be read: then a person has to decide. */
async function undecidedFrom<Tx>(
  context: EngineContext<Tx>,
  { outcomes }: WorkerProcedure<Tx>,
  record: OperationRecord,
): Promise<UndecidedOperation | undefined> {
  const { operationId, scope, procedure, key, attempt, createdAt } = record;
  const steps: Record<string, unknown> = Object.create(null);
  for (const step of await context.store.steps(operationId)) {
    const opened = openStep(context, outcomes, record, step);
    if (opened === undefined) return undefined;
    steps[step.name] = opened.value;
  }
  const queued = await context.store.queue.work(operationId);
  const input = queued && openInput(context, outcomes, record, queued.input);
  if (queued !== undefined && input === undefined) return undefined;
  return {
    id: operationId,
    scope,
    procedure,
    key,
    state: record.state === 'dead' ? 'dead' : 'suspended',
    attempt,
    createdAt,
    steps,
    work: queued && input && { principal: queued.principal, input: input.value },
    childKey: (step) => childKey({ scope, procedure, key, step }),
  };
}

async function resolutionFrom<Tx>(
  context: EngineContext<Tx>,
  procedure: WorkerProcedure<Tx>,
  record: OperationRecord,
  { work }: UndecidedOperation,
  resolved: Resolved,
): Promise<Resolution | undefined> {
  if (resolved === undefined || resolved === 'run_again') return undefined;
  refuseUnclear(resolved);
  const outcomes = outcomesOf(context, procedure.outcomes, record);
  const { maxOutcomeBytes } = procedure.policy;
  const call = () =>
    procedure.begin({ principal: work?.principal ?? record.scope, input: work?.input, record });
  if ('completed' in resolved) {
    const { parseOutput } = call();
    const value = parseOutput === undefined ? resolved.completed : await parseOutput(resolved.completed);
    return { to: 'completed', outcome: outcomes.fromValue(value, maxOutcomeBytes) };
  }
  const error = isDescribed(resolved.failed)
    ? resolved.failed
    : await call().failures.describe(resolved.failed);
  return { to: 'failed', outcome: outcomes.fromError(error, maxOutcomeBytes) };
}

/** What it says is for ever: a misspelt answer must not become one. */
function refuseUnclear(resolved: unknown): void {
  if (typeof resolved === 'object' && resolved !== null) {
    const { failed } = resolved as { readonly failed?: unknown };
    if ('completed' in resolved ? !('failed' in resolved) : failed !== undefined) return;
  }
  throw new TypeError(
    "A resolver answers { completed: output }, { failed: error }, 'run_again' or undefined, and one of them alone",
  );
}

function isDescribed(error: unknown): error is DescribedError {
  if (typeof error !== 'object' || error === null || error instanceof Error) return false;
  const { httpStatus, code, message } = error as Partial<DescribedError>;
  return typeof httpStatus === 'number' && typeof code === 'string' && typeof message === 'string';
}

/** Only as it was when its resolver was asked: it may have been let run since, and be undecided again. */
async function letRunAgain<Tx>(
  context: EngineContext<Tx>,
  record: OperationRecord,
  decision: Decision,
): Promise<void> {
  const { store, emit, jobs } = context;
  const { operationId } = record;
  const isQueued = record.policy.mode === 'queued';
  const grantAttempts = isQueued ? await grantedBy(context, record) : 1;
  if (grantAttempts === 0) {
    throw new Error(
      `the resolver of ${record.procedure} says run it again, did so before, and it failed again: that's for a person to decide`,
    );
  }
  const decided = isQueued
    ? await store.decisions.redrive(
        operationId,
        { grantAttempts },
        async (tx, after) => {
          await jobs?.send(tx, jobOf(after), { id: jobId(operationId, after.version), delayMs: 0 });
        },
        decision,
      )
    : await store.decisions.release(operationId, decision);
  if (decided.kind !== 'done') return;
  const { state: to } = decided.record;
  const action = isQueued ? 'redriven' : 'released';
  emit({ type: 'decided', action, to, actor: 'resolver', ...subjectOf(record, decided.record) });
}

/**
 * "Run it again" leaves one that is suspended the attempts that it had left. One that had none gets a single one, and once: a
 * resolver that says so of whatever it is asked about would go round until the window ends, and no person would ever get it.
 * Read after the record: a decision made since then is found out by its version.
 */
async function grantedBy<Tx>(
  { store }: EngineContext<Tx>,
  { operationId, state, attempt, policy }: OperationRecord,
): Promise<number> {
  if (state === 'suspended' && attempt < policy.maxAttempts) return policy.maxAttempts - attempt;
  const latest = (await store.decisions.decisions(operationId)).at(-1);
  return latest?.actor === 'resolver' ? 0 : 1;
}
