import { childKey } from '@semel/contract/v1/pure';
import { auditText } from './audit-text.ts';
import { type EngineContext, subjectOf } from './engine/engine-context.ts';
import type { DescribedError } from './engine/failure.ts';
import { lastErrorIn } from './engine/last-error.ts';
import { createOutcomeCodec } from './engine/outcome.ts';
import { openJson, outcomesOf } from './engine/sealed-outcomes.ts';
import { jobId } from './jobs/job-id.ts';
import { jobOf } from './jobs/job-of.ts';
import type { Decided, Decision, DecisionRecord, Resolution } from './store/decision-port.ts';
import type {
  OperationMode,
  OperationRecord,
  PurgeRecord,
  RecordedPolicy,
  RejectedTransition,
  Sighting,
  Transition,
} from './store/port.ts';

/**
 * `semel.decisions`: what people (and their tools) may see of operations, and do about those that can't go on by
 * themselves. Whoever may call this may see every scope's operations: put your own authorisation in front of it.
 *
 * Every action is guarded by the operation's state in the write, so that of two people who decide at once one does; it leaves
 * its transition and an append-only row with who and why in the same commit, and is emitted as an event.
 */
export interface Decisions {
  /**
   * One page of operations, of all scopes unless one is named. Reads only. For people: filtered by state alone it may read
   * many rows.
   * @throws TypeError for a limit that isn't a whole number between 1 and 1000
   */
  list(filter?: OperationListFilter): Promise<OperationList>;

  /** Everything that is known about one operation but its contents: no input, no step results, no outcome. Reads only. */
  show(operationId: string): Promise<OperationDetails | undefined>;

  /**
   * `suspended` or `dead` -> `completed` or `failed`, by what somebody has found out: for ever what every retry and status
   * answer gets. Sealed where the operation is. The value is stored as given: no output parser of the procedure sees it.
   *
   * Before you say `failed`, be sure that no process is still at it: one that was paused may act when it wakes.
   * @throws TypeError for an outcome that is neither, or a status that is no HTTP error
   */
  resolve(operationId: string, resolution: OperatorResolution, by: DecidedBy): Promise<DecisionResult>;

  /**
   * Lets it run again, with its input, recorded steps and child keys. A queued one that is `suspended` or `dead` goes back to
   * the queue with more attempts, its job in the same commit. A leased one that is `suspended` is released: the caller's next
   * retry runs it. Only within its downstream window; after it, `resolve`.
   */
  redrive(operationId: string, by: DecidedBy & RedriveOptions): Promise<DecisionResult>;

  /** A leased operation, `suspended` -> `released`: the caller's next retry runs it. Only within its downstream window. */
  release(operationId: string, by: DecidedBy): Promise<DecisionResult>;

  /**
   * A queued operation that no worker has ever started, `accepted` -> `failed`: its callers get an error with code `CANCELLED`,
   * HTTP 409. One that was tried is `not_now`: what its attempts did is to be found out, and said with `resolve`.
   */
  cancel(operationId: string, by: DecidedBy): Promise<DecisionResult>;
}

/** Who decides, and why: for the audit row, which is kept as long as the operation. */
export interface DecidedBy {
  /** `operator:alice`. 1 to 200 characters without control characters. */
  readonly actor: string;
  /** A ticket's number, what the provider's records show. 1 to 1000 characters without control characters; no personal data. */
  readonly reason: string;
  readonly traceId?: string;
}

export interface RedriveOptions {
  /** Attempts until it is dead again. 1 to 100; of no account where a caller's retry runs it. @default 5 */
  readonly grantAttempts?: number;
}

export type OperatorResolution =
  /** It happened: what the procedure would have answered. */
  | { readonly completed: unknown }
  /** It didn't, and won't: the error that callers get. `httpStatus` is between 400 and 599. */
  | { readonly failed: Pick<DescribedError, 'httpStatus' | 'code' | 'message'> };

export type DecisionResult =
  /** The operation as it is afterwards. */
  | { readonly kind: 'done'; readonly operation: OperationView }
  /** Its state or mode doesn't allow this (perhaps because somebody has just decided). Nothing was changed. */
  | { readonly kind: 'not_now'; readonly operation: OperationView }
  /** Other services may have forgotten its keys, so nothing may run again. Nothing was changed: `resolve` it. */
  | { readonly kind: 'window_passed'; readonly operation: OperationView }
  | { readonly kind: 'absent' };

export interface OperationListFilter {
  readonly states?: readonly OperationRecord['state'][];
  readonly procedure?: string;
  /** Exactly this scope. */
  readonly scope?: string;
  /** 1 to 1000. @default 50 */
  readonly limit?: number;
  /** `next` of the page before. */
  readonly after?: string;
}

export interface OperationList {
  readonly operations: readonly OperationView[];
  /** Absent on the last page. */
  readonly next?: string;
  /** The store's clock, for ages. */
  readonly now: number;
}

/** An operation as people see it. Times are epoch milliseconds by the store's clock. */
export interface OperationView {
  readonly operationId: string;
  readonly scope: string;
  readonly procedure: string;
  readonly key: string;
  readonly state: OperationRecord['state'];
  readonly mode: OperationMode;
  readonly attempt: number;
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
  /** What its last failed attempt said (queued), where it can be read, with the step that it came from: `step 'charge': …`. */
  readonly lastError?: string;
  /** There is a last error, and this process has no key to read it with. */
  readonly lastErrorSealed?: true;
  /** The step that the last error came from, and its key at the other side: what to look for there. */
  readonly failedStep?: { readonly name: string; readonly childKey: string };
  /** Who has to decide about it (queued). */
  readonly deadLetterOwner?: string;
}

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

/** As large as any procedure's may be. */
const MAX_OUTCOME_BYTES = 64 * 1_048_576;
const CANCELLED: DescribedError = {
  httpStatus: 409,
  code: 'CANCELLED',
  message: 'The operation was cancelled before it was begun',
};

export function createDecisions<Tx>(
  context: Pick<EngineContext<Tx>, 'store' | 'sealing' | 'emit' | 'jobs'>,
): Decisions {
  const { store, emit, jobs } = context;
  const codec = createOutcomeCodec();

  type Extras = { readonly lastError?: string; readonly deadLetterOwner?: string };
  function view(record: OperationRecord, { lastError, deadLetterOwner }: Extras = {}): OperationView {
    const { operationId, scope, procedure, key, state, attempt, policy } = record;
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

  const notNow = ({ record }: Sighting): DecisionResult => ({ kind: 'not_now', operation: view(record) });

  function decided(
    result: Decided,
    action: 'resolved' | 'redriven' | 'released' | 'cancelled',
    { actor }: Decision,
  ): DecisionResult {
    switch (result.kind) {
      case 'done': {
        const { record } = result;
        emit({ type: 'decided', action, to: record.state, actor, ...subjectOf(record, record) });
        return { kind: 'done', operation: view(record) };
      }
      case 'not_now':
      case 'window_passed':
        return { kind: result.kind, operation: view(result.record) };
      case 'absent':
        return result;
      case 'undecided':
        throw new Error('An operator always decides');
    }
  }

  async function release(operationId: string, by: Decision): Promise<DecisionResult> {
    return decided(await store.decisions.release(operationId, by), 'released', by);
  }

  return {
    async list(filter = {}) {
      const { limit = 50, ...rest } = filter;
      if (!Number.isSafeInteger(limit) || limit < 1 || limit > 1000) {
        throw new TypeError(`list: limit is a whole number between 1 and 1000, not ${String(limit)}`);
      }
      const { operations, ...page } = await store.decisions.list({ ...rest, limit });
      return { ...page, operations: operations.map((record) => view(record, record)) };
    },

    async show(operationId) {
      const found = await store.find(operationId);
      if (found === undefined) return undefined;
      const { record, now } = found;
      const { scope, procedure, key } = record;
      const [history, rejected, steps, decisions, offeredAt, work, progress, purged] = await Promise.all([
        store.history(operationId),
        store.rejected(operationId),
        store.steps(operationId),
        store.decisions.decisions(operationId),
        store.decisions.offered(operationId),
        store.queue.work(operationId),
        store.queue.progress(operationId),
        store.purged(operationId),
      ]);
      const come = progress && openJson(context, record, 'progress', progress.value);
      return {
        operation: view(record, work),
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
    },

    async resolve(operationId, resolution, by) {
      const decision = decisionFrom('resolve', by);
      const said = resolutionFrom(resolution);
      const result = await store.decisions.resolve(
        operationId,
        async (_tx, record): Promise<Resolution> => {
          const outcomes = outcomesOf(context, codec, record);
          return 'failed' in said
            ? { to: 'failed', outcome: outcomes.fromError(said.failed, MAX_OUTCOME_BYTES) }
            : { to: 'completed', outcome: outcomes.fromValue(said.completed, MAX_OUTCOME_BYTES) };
        },
        decision,
      );
      return decided(result, 'resolved', decision);
    },

    async redrive(operationId, { grantAttempts = 5, ...by }) {
      const decision = decisionFrom('redrive', by);
      if (!Number.isSafeInteger(grantAttempts) || grantAttempts < 1 || grantAttempts > 100) {
        throw new TypeError(
          `redrive: grantAttempts is a whole number between 1 and 100, not ${String(grantAttempts)}`,
        );
      }
      const found = await store.find(operationId);
      if (found === undefined) return { kind: 'absent' };
      const { mode } = found.record.policy;
      if (mode === 'atomic') return notNow(found);
      if (mode === 'leased') return release(operationId, decision);
      if (jobs === undefined) {
        throw new TypeError('redrive of a queued operation needs jobs: createSemel({ store, jobs })');
      }
      const result = await store.decisions.redrive(
        operationId,
        { grantAttempts },
        (tx, record) => jobs.send(tx, jobOf(record), { id: jobId(operationId, record.version), delayMs: 0 }),
        decision,
      );
      return decided(result, 'redriven', decision);
    },

    release: (operationId, by) => release(operationId, decisionFrom('release', by)),

    async cancel(operationId, by) {
      const decision = decisionFrom('cancel', by);
      const found = await store.find(operationId);
      if (found === undefined) return { kind: 'absent' };
      const outcome = outcomesOf(context, codec, found.record).fromError(CANCELLED, MAX_OUTCOME_BYTES);
      return decided(await store.decisions.cancel(operationId, outcome, decision), 'cancelled', decision);
    },
  };
}

/** Redrives and releases take a number of their own, so that whoever still is at an old attempt is refused. */
function runsOf({ attempt }: OperationRecord, decisions: readonly DecisionRecord[]): number {
  const taken = decisions.filter(({ action }) => action === 'redriven' || action === 'released').length;
  return Math.max(0, attempt - taken);
}

function decisionFrom(action: string, { actor, reason, traceId }: DecidedBy): Decision {
  const who = {
    actor: auditText(action, 'actor', actor, 200),
    reason: auditText(action, 'reason', reason, 1000),
  };
  return traceId === undefined ? who : { ...who, traceId };
}

function resolutionFrom(resolution: OperatorResolution): OperatorResolution {
  const given = Object.keys(resolution);
  if (given.length !== 1 || (given[0] !== 'completed' && given[0] !== 'failed')) {
    throw new TypeError(
      'resolve takes either { completed: value } or { failed: { httpStatus, code, message } }',
    );
  }
  if ('completed' in resolution) return resolution;
  const { httpStatus, code, message } = resolution.failed;
  if (!Number.isSafeInteger(httpStatus) || httpStatus < 400 || httpStatus > 599) {
    throw new TypeError(`resolve: httpStatus is between 400 and 599, not ${String(httpStatus)}`);
  }
  if (typeof code !== 'string' || !/^[\w.-]{1,100}$/.test(code)) {
    throw new TypeError('resolve: code is 1 to 100 letters, digits, _, . and -');
  }
  if (typeof message !== 'string' || message.length > 1000) {
    throw new TypeError('resolve: message is text of at most 1000 characters');
  }
  return { failed: { httpStatus, code, message } };
}
