import { auditText } from './audit-text.ts';
import { type EngineContext, subjectOf } from './engine/engine-context.ts';
import type { DescribedError } from './engine/failure.ts';
import { createOutcomeCodec } from './engine/outcome.ts';
import { outcomesOf } from './engine/sealed-outcomes.ts';
import { jobId } from './jobs/job-id.ts';
import { jobOf } from './jobs/job-of.ts';
import { detailsOf, type OperationDetails, type OperationView, viewOf } from './operation-view.ts';
import type { Decided, Decision, Resolution } from './store/decision-port.ts';
import type { OperationRecord, Sighting } from './store/port.ts';

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
  /**
   * `version` of the operation as whoever decides has seen it: if anything has happened to it since, it is `not_now` and nothing
   * is changed. Without it the state alone is looked at, and an old page may decide about what ran, and failed, again.
   * @default whatever its version
   */
  readonly version?: number;
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

  const view = (record: OperationRecord): OperationView => viewOf(context, record);
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
      return { ...page, operations: operations.map((record) => viewOf(context, record, record)) };
    },

    async show(operationId) {
      const found = await store.find(operationId);
      return found && detailsOf(context, found);
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

    release: async (operationId, by) => release(operationId, decisionFrom('release', by)),

    async cancel(operationId, by) {
      const decision = decisionFrom('cancel', by);
      const found = await store.find(operationId);
      if (found === undefined) return { kind: 'absent' };
      const outcome = outcomesOf(context, codec, found.record).fromError(CANCELLED, MAX_OUTCOME_BYTES);
      return decided(await store.decisions.cancel(operationId, outcome, decision), 'cancelled', decision);
    },
  };
}

function decisionFrom(action: string, { actor, reason, traceId, version }: DecidedBy): Decision {
  if (version !== undefined && !(Number.isSafeInteger(version) && version >= 1)) {
    throw new TypeError(`${action}: version is a whole number from 1 on, not ${String(version)}`);
  }
  const who = {
    actor: auditText(action, 'actor', actor, 200),
    reason: auditText(action, 'reason', reason, 1000),
    version,
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
