import { childKey } from '@semel/contract/v1/pure';
import type { EngineContext } from './engine/engine-context.ts';
import { lastErrorIn } from './engine/last-error.ts';
import { openJson } from './engine/sealed-outcomes.ts';
import type { DecisionRecord } from './store/decision-port.ts';
import type {
  OperationMode,
  OperationRecord,
  PurgeRecord,
  RecordedPolicy,
  RejectedTransition,
  Sighting,
  Transition,
} from './store/port.ts';

/** An operation as people see it. Times are epoch milliseconds by the store's clock. */
export interface OperationView {
  readonly operationId: string;
  readonly scope: string;
  readonly procedure: string;
  readonly key: string;
  readonly state: OperationRecord['state'];
  readonly mode: OperationMode;
  readonly attempt: number;
  /** Grows with whatever happens to it: what a decision about it as it is shown names. */
  readonly version: number;
  /** What it was claimed under, redrives included. */
  readonly policy: RecordedPolicy;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Until then it may run again. */
  readonly windowEndsAt: number;
  /** Only while `processing`. */
  readonly leaseUntil?: number;
  /** Only once settled or released. */
  readonly expiresAt?: number;
  /**
   * What its last failed attempt said, where it can be read, with the step that it came from: `step 'charge': …`. Of queued
   * work until it is settled, of others while they wait for a decision.
   */
  readonly lastError?: string;
  /** There is a last error, and this process has no key to read it with. */
  readonly lastErrorSealed?: true;
  /** The step that the last error came from, and its key at the other side: what to look for there. */
  readonly failedStep?: { readonly name: string; readonly childKey: string };
  /** Who has to decide about it (queued). */
  readonly deadLetterOwner?: string;
}

/** Everything that is known about an operation but its contents. */
export interface OperationDetails {
  readonly operation: OperationView;
  readonly history: readonly Transition[];
  /** Refused writes of late owners: an alert each. `evidence` says whether what they brought is kept. */
  readonly rejected: readonly (Omit<RejectedTransition, 'evidence'> & { readonly evidence: boolean })[];
  /** How many attempts have run so far. Fewer than their numbers say: a redrive or a release takes a number as well. */
  readonly runs: number;
  /** Recovery points, without their results. `childKey`: of a step, what the other side knows it by. */
  readonly steps: readonly {
    readonly name: string;
    readonly kind: 'step' | 'transaction';
    readonly attempt: number;
    readonly childKey?: string;
  }[];
  /** Who decided about it and why, in order. */
  readonly decisions: readonly DecisionRecord[];
  /** When workers last looked whether its resolver knows about it, while it waits for a decision. */
  readonly offeredAt?: number;
  /** What is queued, until it is settled. */
  readonly work?: { readonly principal: string; readonly dueAt: number };
  /** The last word of `operation.progress`, where it can be read. */
  readonly progress?: { readonly value: unknown; readonly attempt: number; readonly at: number };
  /** Who erased its outcome, and why. */
  readonly purged?: PurgeRecord;
  /** The store's clock, for ages. */
  readonly now: number;
}

/** What it takes to read what a record holds sealed. */
type Opening = Pick<EngineContext<unknown>, 'sealing' | 'emit'>;

export function viewOf(
  context: Opening,
  record: OperationRecord,
  {
    lastError,
    deadLetterOwner,
  }: { readonly lastError?: string | undefined; readonly deadLetterOwner?: string } = {},
): OperationView {
  const { operationId, scope, procedure, key, state, attempt, version, policy } = record;
  const { createdAt, updatedAt, firstClaimedAt, leaseUntil, expiresAt } = record;
  const opened = lastError === undefined ? undefined : openJson(context, record, 'error', lastError);
  const said = lastErrorIn(opened?.value);
  const step = said?.step;
  return {
    operationId,
    scope,
    procedure,
    key,
    state,
    mode: policy.mode,
    attempt,
    version,
    policy,
    createdAt,
    updatedAt,
    windowEndsAt: firstClaimedAt + policy.downstreamWindowMs,
    ...(leaseUntil === undefined ? undefined : { leaseUntil }),
    ...(expiresAt === undefined ? undefined : { expiresAt }),
    ...(said && { lastError: step === undefined ? said.text : `step '${step}': ${said.text}` }),
    ...(lastError !== undefined && said === undefined ? { lastErrorSealed: true } : undefined),
    ...(step === undefined
      ? undefined
      : { failedStep: { name: step, childKey: childKey({ scope, procedure, key, step }) } }),
    ...(deadLetterOwner === undefined ? undefined : { deadLetterOwner }),
  };
}

export async function detailsOf<Tx>(
  context: Opening & Pick<EngineContext<Tx>, 'store'>,
  found: Sighting,
): Promise<OperationDetails> {
  const { store } = context;
  const { record, now } = found;
  const { operationId, scope, procedure, key } = record;
  const [history, rejected, steps, decisions, undecided, work, progress, purged] = await Promise.all([
    store.history(operationId),
    store.rejected(operationId),
    store.steps(operationId),
    store.decisions.decisions(operationId),
    store.decisions.undecided(operationId),
    store.queue.work(operationId),
    store.queue.progress(operationId),
    store.purged(operationId),
  ]);
  const { offeredAt, lastError = work?.lastError } = undecided ?? {};
  const shown = viewOf(context, record, { ...work, lastError });
  // What an earlier attempt said isn't why it waits now: nobody is to be asked about that step.
  const isOwnWord = undecided === undefined || undecided.lastError !== undefined;
  const { failedStep: _, ...withoutStep } = shown;
  const come = progress && openJson(context, record, 'progress', progress.value);
  return {
    operation: isOwnWord ? shown : withoutStep,
    history,
    rejected: rejected.map(({ evidence, ...row }) => ({ ...row, evidence: evidence !== undefined })),
    runs: runsOf(record, decisions),
    steps: steps.map(({ name, kind, attempt }) => ({
      name,
      kind,
      attempt,
      ...(kind === 'step' && { childKey: childKey({ scope, procedure, key, step: name }) }),
    })),
    decisions,
    ...(offeredAt === undefined ? undefined : { offeredAt }),
    ...(work === undefined ? undefined : { work: { principal: work.principal, dueAt: work.dueAt } }),
    ...(come === undefined || progress === undefined
      ? undefined
      : { progress: { value: come.value, attempt: progress.attempt, at: progress.at } }),
    ...(purged === undefined ? undefined : { purged }),
    now,
  };
}

/** Redrives and releases take a number of their own, so that whoever still is at an old attempt is refused. */
function runsOf({ attempt }: OperationRecord, decisions: readonly DecisionRecord[]): number {
  const taken = decisions.filter(({ action }) => action === 'redriven' || action === 'released').length;
  return Math.max(0, attempt - taken);
}
