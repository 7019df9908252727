import type { OperationState, TransitionCause } from '@semel/contract/v1/pure';

/** What passes between the engine and a store of record: see the port, `port.ts`. */

/** One operation is one identity. The scope comes from authentication, never from the request. */
export interface OperationIdentity {
  readonly scope: string;
  /** The procedure's stable name. */
  readonly procedure: string;
  readonly key: string;
}

/** One string for an identity. Lengths stand before the parts, so that no two identities share one whatever characters they hold. */
export const identityKey = ({ scope, procedure, key }: OperationIdentity): string =>
  `${scope.length}:${scope}${procedure.length}:${procedure}${key}`;

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
  /** `lastError` is kept as long as it waits for its decision; with queued work longer, as below. */
  | { readonly to: 'suspended'; readonly cause: 'outcome_unknown'; readonly lastError?: string }
  /** A queued attempt failed for now: due again after `delayMs`. `lastError` may be sealed. */
  | {
      readonly to: 'accepted';
      readonly cause: 'rescheduled';
      readonly delayMs: number;
      readonly lastError: string;
      /** It says nothing about the work: the record's `maxAttempts` grows by this one. */
      readonly uncounted?: true;
    }
  /** A queued operation's retries ran out. */
  | { readonly to: 'dead'; readonly cause: 'exhausted'; readonly lastError: string };

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

/** What a store can do, as data: a suite or an engine asks, it never tries and catches. */
export interface StoreCapabilities {
  /** `atomically` and `transact` carry the caller's effects. */
  readonly transactions: boolean;
  /** Survives the death of this process. */
  readonly durable: boolean;
  /** Other processes see the same records. */
  readonly shared: boolean;
}
