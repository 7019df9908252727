import type { Claim, ClaimRequest, OperationRecord, SettleResult, Sighting, Trace } from './records.ts';

/**
 * The queued part of the store port: what a store keeps of work that is done later, by a worker.
 *
 * The record is the truth about the work; a queue (the `Jobs` port) only carries names to workers. A job that is lost is sent
 * again from the record, one that comes twice is refused by the record.
 */

/** What a worker needs to run an operation in its caller's place. Kept until the operation is settled, then erased. */
export interface QueuedWork {
  /** Who asked, as authentication gave it and before a policy narrowed the scope. */
  readonly principal: string;
  /** The raw input, serialised. Opaque to the store: it may be sealed. */
  readonly input: string;
  /** Who has to decide when the retries have run out. */
  readonly deadLetterOwner?: string;
}

export interface EnqueueRequest extends ClaimRequest {
  readonly work: QueuedWork;
  /** A record past its retention and grace that the new operation replaces, as `take(…, 'expired')` does. */
  readonly expired?: OperationRecord;
}

export type EnqueueResult =
  /** Also when this very owner had enqueued it before: an acknowledgement may get lost. */
  | { readonly won: true; readonly record: OperationRecord }
  /** Somebody was here before: the record as it stands, and nothing was sent. */
  | ({ readonly won: false } & Sighting);

export interface StartRequest {
  readonly operationId: string;
  /** 128 random bits, made for this one delivery. */
  readonly owner: string;
  readonly trace: Trace;
}

export type StartResult =
  | {
      readonly kind: 'started';
      readonly claim: Claim;
      readonly work: QueuedWork;
      readonly cause: 'started' | 'overtaken';
    }
  /** Not to be run: settled, waiting for a decision, held by a live attempt, or lost and out of attempts or window. */
  | ({ readonly kind: 'not_now' } & Sighting)
  /** Not to be run before so many milliseconds have passed by the store's clock: a job too many, or one that came too soon. */
  | { readonly kind: 'early'; readonly dueInMs: number }
  /** No such operation, or not a queued one. */
  | { readonly kind: 'absent' };

/** Queued work as operators and status answers see it. */
export interface WorkRecord extends QueuedWork {
  /** When a worker may start it (again), by the store's clock. */
  readonly dueAt: number;
  /** What the last failed attempt said. Opaque to the store: it may be sealed. */
  readonly lastError?: string;
}

export interface Stranded {
  readonly operationId: string;
  readonly scope: string;
  readonly procedure: string;
  readonly state: 'accepted' | 'processing';
  /** Of the record: names what a job that is sent for it is about. */
  readonly version: number;
  /** When a worker might start it. */
  readonly dueAt: number;
}

/** One line of what waits, for metrics: one per procedure and state. */
export interface Backlog {
  readonly procedure: string;
  /** Queued operations are counted while `accepted` and `processing`; all modes while they wait for a decision. */
  readonly state: 'accepted' | 'processing' | 'suspended' | 'dead';
  readonly count: number;
  /** How long the oldest of them has been due (accepted), running, or waiting for a decision. Never negative. */
  readonly oldestMs: number;
}

export interface ProgressRecord {
  /** Serialised. Opaque to the store: it may be sealed. */
  readonly value: string;
  readonly attempt: number;
  readonly at: number;
}

/**
 * @typeParam Tx what is handed to `send`, inside the store's own transaction.
 */
export interface QueueStore<Tx = unknown> {
  /**
   * Makes a new operation `accepted`, attempt 0, with its work, its `enqueued` transition and whatever `send` writes through
   * `tx`, in one commit. Of n simultaneous requests for one identity (`claim`, `atomically` and `enqueue` alike) exactly one
   * wins; for the others `send`'s effects don't remain. Re-entrant like `claim`. If `send` throws, nothing remains and the
   * error is rethrown.
   */
  enqueue(request: EnqueueRequest, send: (tx: Tx) => Promise<void>): Promise<EnqueueResult>;

  /**
   * A worker's claim: `accepted` and due -> `processing` (cause `started`), or `processing` whose lease ran out and whose record
   * says `resume`, has attempts left and is within its downstream window -> `processing` (cause `overtaken`); attempt + 1, a new
   * lease. What is `accepted` is started whatever its attempts and its window: nothing else may lead out of that state, and the
   * attempt itself finds out that it comes too late. Before `dueAt` it is `early`, whichever job came: a queue that delivers one
   * twice must not use up in a moment the attempts that backoff spreads over hours. Of n simultaneous deliveries at most one
   * starts. Re-entrant for its owner. The downstream window counts from the first start.
   */
  start(request: StartRequest): Promise<StartResult>;

  /** What an operation that isn't settled carries; `undefined` once it is, or if it isn't a queued one. */
  work(operationId: string): Promise<WorkRecord | undefined>;

  /** Keeps how far an attempt (leased or queued) has come: the last word, not a history. Fenced like `recordStep`. */
  recordProgress(
    claim: Claim,
    value: string,
  ): Promise<{ readonly kind: 'recorded' } | Extract<SettleResult, { kind: 'overtaken' }>>;
  progress(operationId: string): Promise<ProgressRecord | undefined>;

  /**
   * Queued operations that may have lost their job, those first that have been due longest: `accepted` and due for at least
   * `graceMs`, or `processing` with a lease that ran out and a record that lets the next attempt go on. `after`: the last of
   * the page before. An operation only ever becomes due later, so a walk by pages misses none that is stranded all along,
   * whatever happens to others meanwhile. Reads only.
   */
  stranded(options: {
    readonly limit: number;
    readonly graceMs: number;
    readonly after?: Pick<Stranded, 'dueAt' | 'operationId'> | undefined;
  }): Promise<readonly Stranded[]>;

  /** What waits now, for metrics. Reads only; cost grows with what waits, not with what is kept. */
  backlog(): Promise<readonly Backlog[]>;
}
