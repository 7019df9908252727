import type { DecisionStore } from './decision-port.ts';
import type { QueueStore } from './queue-port.ts';
import type {
  AtomicEnd,
  AtomicRequest,
  AtomicResult,
  Claim,
  ClaimRequest,
  ClaimResult,
  OperationIdentity,
  OperationRecord,
  RejectedTransition,
  RenewResult,
  Settlement,
  SettleResult,
  Sighting,
  StepRecord,
  StoreCapabilities,
  TakeCause,
  Trace,
  TransactionEnd,
  TransactResult,
  Transition,
} from './records.ts';
import type { OrphanReport, PurgeRecord, PurgeReport, PurgeRequest, SweepReport } from './upkeep.ts';

export * from './errors.ts';
export * from './records.ts';
export * from './upkeep.ts';

/**
 * The store port: what the engine asks of a store of record, and what a store promises.
 *
 * Expected results are values; a rejected promise means broken infrastructure (`StoreUnavailable`) or a broken
 * caller. Judgement ("may this run?") is not the store's: it compares and swaps, the engine's pure `decide` judges.
 * Times are epoch milliseconds by the **store's** clock, never the process's. `describeStore` in `@semel/testing`
 * checks every promise written here.
 */

/**
 * @typeParam Tx what a handler writes its effects through (for Postgres a `pg` client inside the transaction).
 */
export interface Store<Tx = unknown> {
  readonly capabilities: StoreCapabilities;
  /** Work that is done later, by a worker. */
  readonly queue: QueueStore<Tx>;
  /** What resolvers and operators may do about an operation that can't go on by itself. */
  readonly decisions: DecisionStore<Tx>;

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
   * or past its downstream window, or out of attempts; a queued one that is only out of attempts becomes `dead`). Those that may resume are left for the next attempt.
   * Any number of servers may sweep at once.
   */
  sweepOrphans(options: { readonly limit: number; readonly trace: Trace }): Promise<OrphanReport>;

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
