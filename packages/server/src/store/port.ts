import { type OperationState, serializeOutcome, type TransitionCause } from '@semel/contract/v1/pure';

/**
 * The store port: what the engine asks of a store of record, and what a store promises.
 *
 * Expected results are values; a rejected promise means broken infrastructure (`StoreUnavailable`) or a broken
 * caller. Judgement ("may this run?") is not the store's: it compares and swaps, the engine's pure `decide` judges.
 * Times are epoch milliseconds by the **store's** clock, never the process's. `describeStore` in `@semel/testing`
 * checks every promise written here.
 */

/** One operation is one identity. The scope comes from authentication, never from the request. */
export interface OperationIdentity {
  readonly scope: string;
  /** The procedure's stable name. */
  readonly procedure: string;
  readonly key: string;
}

export type OperationMode = 'atomic' | 'leased' | 'queued';

/** What an operation was claimed under. Recovery obeys this, not today's code. Durations in milliseconds. */
export interface RecordedPolicy {
  readonly mode: OperationMode;
  /** What happens when the lease runs out: `resume` lets the next attempt take over, `suspend` waits for a decision. */
  readonly onCrash: 'suspend' | 'resume';
  readonly leaseMs: number;
  readonly maxRunMs: number;
  readonly maxAttempts: number;
  readonly downstreamWindowMs: number;
  readonly ttlMs: number;
}

export interface OperationRecord extends OperationIdentity {
  /** Random, 128 bits. */
  readonly operationId: string;
  readonly state: OperationState;
  /** The fence: only grows while the operation lives. */
  readonly attempt: number;
  /** Made for one execution of one request; never leaves the server. */
  readonly owner: string;
  /** Plain (`v1:…`), or made with a key of a ring (`v1:<keyId>:…`), or `PURGED_FINGERPRINT`. */
  readonly fingerprint: string;
  readonly policy: RecordedPolicy;
  /** Number of accepted transitions; the `seq` of the last one. What a compare-and-swap names. */
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** When the first attempt was claimed: the downstream window counts from here. */
  readonly firstClaimedAt: number;
  /** Only while `processing`. */
  readonly leaseUntil?: number;
  /** Only once settled or released. */
  readonly expiresAt?: number;
  /** A serialised `StoredOutcome`, only once settled. Opaque to the store: it may be sealed. */
  readonly outcome?: string;
}

/** A record as seen at `now` by the store's clock. */
export interface Sighting {
  readonly record: OperationRecord;
  readonly now: number;
}

/** Who made a transition, for the audit row. Never secrets, never input. */
export interface Trace {
  /** For example `request`, `recovery`, `operator:alice`. */
  readonly actor: string;
  readonly traceId?: string;
}

export interface ClaimRequest extends OperationIdentity {
  /** Proposed id for a new operation. */
  readonly operationId: string;
  /** 128 random bits, new for each request: what makes a claim re-entrant. */
  readonly owner: string;
  readonly fingerprint: string;
  readonly policy: RecordedPolicy;
  readonly trace: Trace;
}

/** The right to run one attempt. Settle, renew and step name its owner and attempt and are refused once overtaken. */
export interface Claim extends OperationIdentity {
  readonly operationId: string;
  readonly owner: string;
  readonly attempt: number;
  readonly policy: RecordedPolicy;
  readonly fingerprint: string;
  readonly createdAt: number;
  readonly firstClaimedAt: number;
  /** The store's clock when the claim was made. */
  readonly now: number;
}

export type ClaimResult =
  | { readonly won: true; readonly claim: Claim }
  /** Somebody was here before: the record as it stands, for `decide`. */
  | ({ readonly won: false } & Sighting);

/** Why a claim may replace or continue a record that exists. The store checks the condition again in the write. */
export type TakeCause =
  /** `released` -> `processing`, attempt + 1. */
  | 'claimed'
  /** `processing` with a lease that ran out (by the store's clock, at the write) -> `processing`, attempt + 1. */
  | 'overtaken'
  /** Settled or released, and past `expiresAt` + `EXPIRY_GRACE_MS`: a new operation under the request's id, attempt 1. */
  | 'expired';

/** A key becomes reusable this long after `expiresAt`, so that clocks may differ. */
export const EXPIRY_GRACE_MS = 10 * 60_000;

export type Settlement =
  | { readonly to: 'completed'; readonly cause: 'succeeded'; readonly outcome: string }
  | { readonly to: 'failed'; readonly cause: 'failed'; readonly outcome: string }
  | { readonly to: 'released'; readonly cause: 'released' }
  | { readonly to: 'suspended'; readonly cause: 'outcome_unknown' };

export type SettleResult =
  /** Also the answer when this very owner and attempt had settled so already: an acknowledgement may get lost. */
  | { readonly kind: 'settled'; readonly expiresAt?: number }
  /** Nothing was changed; what the late owner brought is kept as evidence on a rejected transition. */
  | { readonly kind: 'overtaken'; readonly by: { readonly state: OperationState; readonly attempt: number } };

/** A recovery point. */
export interface StepRecord {
  readonly name: string;
  readonly kind: 'step' | 'transaction';
  /** Of the step's declared input; empty when none was declared. Plain or keyed, as the operation's. */
  readonly fingerprint: string;
  /** Serialised result. Opaque to the store: it may be sealed. */
  readonly result: string;
  readonly attempt: number;
}

/** How a transaction ends: what is written in the same commit as the body's effects. */
export type TransactionEnd<T> =
  | { readonly kind: 'step'; readonly step: StepRecord; readonly value: T }
  | { readonly kind: 'settle'; readonly settlement: Settlement; readonly value: T };

export type TransactResult<T> =
  | { readonly kind: 'committed'; readonly value: T; readonly expiresAt?: number }
  /** Rolled back: another attempt holds the operation, or the operation left `processing`. */
  | { readonly kind: 'overtaken'; readonly by: { readonly state: OperationState; readonly attempt: number } }
  /** COMMIT's answer was lost and the store could not find out what became of it. */
  | { readonly kind: 'unknown'; readonly cause: unknown };

export interface AtomicRequest extends ClaimRequest {
  /** Asked with what was found under the lock, before the body runs: may it run? */
  readonly mayRun: (found: Sighting | undefined) => boolean;
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable';
  /** `statement_timeout` and `idle_in_transaction_session_timeout` of the transaction. */
  readonly timeoutMs: number;
}

export interface AtomicEnd<T> {
  readonly settlement: Extract<Settlement, { outcome: string }>;
  /** `discard` rolls the body's effects back and stores only the settlement (a thrown refusal). */
  readonly effects: 'keep' | 'discard';
  readonly value: T;
}

export type AtomicResult<T> =
  | {
      readonly kind: 'settled';
      readonly value: T;
      readonly operationId: string;
      readonly attempt: number;
      readonly expiresAt: number;
    }
  /** A record exists and `mayRun` said no (or a competitor's commit came first): nothing of this call remains. */
  | ({ readonly kind: 'existing' } & Sighting)
  /** Another transaction holds the operation right now and is invisible yet. */
  | { readonly kind: 'held' }
  /** COMMIT's answer was lost and the store could not find out what became of it. */
  | { readonly kind: 'unknown'; readonly cause: unknown };

export interface Transition {
  readonly seq: number;
  readonly from: OperationState | null;
  readonly to: OperationState;
  readonly attempt: number;
  readonly at: number;
  readonly cause: TransitionCause;
  readonly actor: string;
  readonly traceId?: string;
}

/** A transition that the write refused: an alert, kept apart from the accepted ones and counted, not repeated. */
export interface RejectedTransition {
  readonly operationId: string;
  readonly storedState: OperationState;
  readonly storedAttempt: number;
  readonly attemptedState: OperationState | 'step';
  readonly attemptedAttempt: number;
  readonly actor: string;
  readonly traceId?: string;
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
  /** What a late owner brought: its serialised outcome or step result. */
  readonly evidence?: string;
}

export interface RenewResult {
  readonly operationId: string;
  readonly attempt: number;
  readonly renewed: boolean;
}

/** What one sweep did, for metrics and for the caller to know whether to go on at once. */
export interface SweepReport {
  readonly examined: number;
  /** Operations whose record was changed (suspended), or deleted for retention. */
  readonly changed: readonly {
    readonly operationId: string;
    readonly procedure: string;
    readonly scope: string;
  }[];
  /** True when the sweep reached the end of what there is to look at. */
  readonly complete: boolean;
}

/** What to purge. */
export type PurgeSelection =
  | { readonly operationId: string }
  /** Every operation of exactly this scope. */
  | { readonly scope: string }
  /** Every operation whose scope begins so, character by character: no wildcards, no case folding. */
  | { readonly scopePrefix: string };

export interface PurgeRequest {
  readonly select: PurgeSelection;
  /** Operations looked at in one call. */
  readonly limit: number;
  /** Where the call before stopped; absent in the first. */
  readonly after?: string;
  readonly trace: Trace;
  /** Why, for the audit row. Never personal data: it is kept. */
  readonly reason: string;
}

export interface PurgeReport {
  /** Operations whose answer was erased by this call. One that had been purged before isn't among them. */
  readonly purged: readonly string[];
  /** Operations that match and were left alone: not settled. */
  readonly unsettled: readonly string[];
  /** Give it to the next call as `after`; absent when everything was looked at. */
  readonly next?: string;
}

/** The audit row of a purge. Append-only, and kept when the operation itself has expired. */
export interface PurgeRecord {
  readonly operationId: string;
  readonly at: number;
  readonly actor: string;
  readonly reason: string;
  readonly traceId?: string;
}

/** What a purged operation has instead of its fingerprint, which anybody could test guesses of the input against. */
export const PURGED_FINGERPRINT = 'purged';

/** What a purged operation has instead of its outcome: that it finished, and how. */
export function purgedOutcome(state: 'completed' | 'failed'): string {
  return serializeOutcome({ v: 1, ok: state === 'completed', gone: 'purged' });
}

/** What a store can do, as data: a suite or an engine asks, it never tries and catches. */
export interface StoreCapabilities {
  /** `atomically` and `transact` carry the caller's effects. */
  readonly transactions: boolean;
  /** Survives the death of this process. */
  readonly durable: boolean;
  /** Other processes see the same records. */
  readonly shared: boolean;
}

const UNAVAILABLE = Symbol.for('semel.store-unavailable');

/** Also across two copies of this package in one process. */
export const isStoreUnavailable = (value: unknown): value is StoreUnavailable =>
  typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[UNAVAILABLE] === true;

/** The store could not be reached, and nothing was begun (or the read gave no answer). Answered as 503. */
export class StoreUnavailable extends Error {
  override readonly name: string = 'StoreUnavailable';
  readonly [UNAVAILABLE] = true;
  constructor(message = 'The store of record cannot be reached', options?: { cause?: unknown }) {
    super(`store_unavailable: ${message}`, options);
  }
}

const ENDED_BY_HANDLER = Symbol.for('semel.transaction-ended-by-handler');

/**
 * The body of a transaction sent COMMIT or ROLLBACK itself. What it committed is committed and has no record: whoever gets
 * this must not let the call run again.
 */
export class TransactionEndedByHandler extends Error {
  override readonly name: string = 'TransactionEndedByHandler';
  readonly [ENDED_BY_HANDLER] = true;
  constructor(options?: { cause?: unknown }) {
    super(
      'The handler ended the transaction itself (COMMIT or ROLLBACK): its effects and the record of the operation are no longer one.',
      options,
    );
  }
}

/** Also across two copies of this package in one process. */
export const isTransactionEndedByHandler = (value: unknown): value is TransactionEndedByHandler =>
  typeof value === 'object' &&
  value !== null &&
  (value as Record<symbol, unknown>)[ENDED_BY_HANDLER] === true;

/**
 * @typeParam Tx what a handler writes its effects through (for Postgres a `pg` client inside the transaction).
 */
export interface Store<Tx = unknown> {
  readonly capabilities: StoreCapabilities;

  /** The record of an identity, or `undefined`. Reads only; one statement, no commit. Expired records are returned. */
  lookup(identity: OperationIdentity): Promise<Sighting | undefined>;

  /**
   * Makes a new operation `processing`, attempt 1, under a lease, with its `claimed` transition in the same commit.
   * Of n simultaneous claims of one identity exactly one wins. Re-entrant: a request whose owner already holds the
   * record (a lost acknowledgement) wins again with the same attempt. Anything else returns the record untouched.
   */
  claim(request: ClaimRequest): Promise<ClaimResult>;

  /**
   * Takes an existing record over, guarded in the write by `version`, the cause's condition and the store's clock.
   * Loses (`won: false`, with the record as it is now) when anything has changed. Re-entrant like `claim`.
   * The fingerprint of a continued operation is never replaced.
   */
  take(request: ClaimRequest, seen: OperationRecord, cause: TakeCause): Promise<ClaimResult>;

  /**
   * `processing` whose lease ran out -> `suspended` (cause `outcome_unknown`), guarded like `take`.
   * Returns the record as it is afterwards, whoever changed it.
   */
  suspendOrphan(seen: OperationRecord, trace: Trace): Promise<Sighting>;

  /** Ends an attempt. Guarded by owner, attempt and state in the write. Idempotent for its owner. */
  settle(claim: Claim, settlement: Settlement, trace: Trace): Promise<SettleResult>;

  /** Extends leases, all in one statement, on a connection that handlers can't exhaust. Only `processing` ones of that owner and attempt. */
  renew(claims: readonly Claim[]): Promise<readonly RenewResult[]>;

  /** Writes a recovery point; guarded like `settle`. A second record under one name by the same attempt is `recorded` and changes nothing. */
  recordStep(
    claim: Claim,
    step: StepRecord,
    trace: Trace,
  ): Promise<{ readonly kind: 'recorded' } | Extract<SettleResult, { kind: 'overtaken' }>>;

  /** The recovery points of an operation, by name. */
  steps(operationId: string): Promise<readonly StepRecord[]>;

  /**
   * Runs `body` in a transaction; its end (step record or settlement) is written, fence-checked and raising, in the
   * same commit. If `body` throws, everything is rolled back and the error is rethrown. A body that ended the
   * transaction itself is found out: rejects with {@link TransactionEndedByHandler}, and no record is written.
   */
  transact<T>(
    claim: Claim,
    body: (tx: Tx) => Promise<TransactionEnd<T>>,
    options: { readonly timeoutMs: number; readonly trace: Trace },
  ): Promise<TransactResult<T>>;

  /**
   * The atomic mode: look-up under a lock, body, and settled record in one transaction and **one commit**.
   * If `body` throws, nothing remains and the error is rethrown. Serialization failures and deadlocks run the whole
   * again, at most 3 times. A lost answer to COMMIT is looked up on a new connection by owner.
   */
  atomically<T>(request: AtomicRequest, body: (tx: Tx) => Promise<AtomicEnd<T>>): Promise<AtomicResult<T>>;

  /**
   * Runs `body` inside a transaction that `atomically` gave: if it throws, what it wrote through `tx` is undone and the
   * error is rethrown, while the rest of the transaction can go on. For a call nested in another's handler.
   */
  savepoint<T>(tx: Tx, body: () => Promise<T>): Promise<T>;

  /** Keeps a refused transition, deduplicated with a count, in a transaction of its own. */
  recordRejected(rejection: Omit<RejectedTransition, 'count' | 'firstAt' | 'lastAt'>): Promise<void>;

  find(operationId: string): Promise<Sighting | undefined>;
  history(operationId: string): Promise<readonly Transition[]>;
  rejected(operationId: string): Promise<readonly RejectedTransition[]>;

  /**
   * Looks at unsettled attempts whose lease ran out and suspends those whose **record** says so (`onCrash: suspend`,
   * or past its downstream window, or out of attempts). Those that may resume are left for the next attempt.
   * Any number of servers may sweep at once.
   */
  sweepOrphans(options: { readonly limit: number; readonly trace: Trace }): Promise<SweepReport>;

  /** Deletes settled and released operations past `expiresAt` + grace, with their steps and history, at most `limit` a call. Never an unsettled one. */
  sweepExpired(options: { readonly limit: number }): Promise<SweepReport>;

  /**
   * Erases what settled operations hold of a person: the outcome (a tombstone stays), the fingerprint, the recovery points
   * with their results, and the evidence on refused transitions. The operation itself stays settled until it expires, so that
   * nothing runs again; identity, state, history and expiry stay as they were. Each purged operation leaves an audit row in
   * the same commit. Unsettled operations are left alone. Looks at `limit` operations at most and says where to go on;
   * any number may purge at once, also beside claims and sweeps. Purging again is harmless, and erases what a late
   * owner has brought since.
   */
  purge(request: PurgeRequest): Promise<PurgeReport>;
  /** Who purged an operation and why; `undefined` if nobody did. */
  purged(operationId: string): Promise<PurgeRecord | undefined>;

  /** Resolves when the authority answers; rejects with `StoreUnavailable`. For readiness checks. */
  ping(): Promise<void>;

  /** Ends connections that the store opened; borrowed ones stay open. */
  close(): Promise<void>;
}
