import type { OperationRecord, Sighting, Trace } from './records.ts';

/**
 * The part of the store port for decisions: what a resolver or an operator may do about an operation that can't go on by
 * itself. Every decision is guarded by the record's state in the write, and leaves its transition and a row with who and why
 * in the same commit.
 */

export interface Decision extends Trace {
  /** Why, for the audit row. Never personal data: it is kept. */
  readonly reason: string;
  /**
   * Of the record that whoever decides has seen: with any other it is `not_now`. Since then it may have run again and be
   * undecided for another reason. @default whatever its version
   */
  readonly version?: number | undefined;
}

/** An append-only row; kept as long as the operation. */
export interface DecisionRecord {
  readonly operationId: string;
  /** The transition that it made (of a release, its first). */
  readonly seq: number;
  readonly action: 'resolved' | 'redriven' | 'released' | 'cancelled';
  readonly at: number;
  readonly actor: string;
  readonly reason: string;
  readonly traceId?: string;
}

export type Decided =
  /** The record as it is afterwards. */
  | { readonly kind: 'done'; readonly record: OperationRecord }
  /** The record is in a state from which this isn't possible (perhaps because somebody has just decided). */
  | ({ readonly kind: 'not_now' } & Sighting)
  /** Past the downstream window: other services may have forgotten the keys, nothing may run again. Resolve it instead. */
  | ({ readonly kind: 'window_passed' } & Sighting)
  /** Its resolver didn't decide. */
  | { readonly kind: 'undecided' }
  | { readonly kind: 'absent' };

export interface Resolution {
  readonly to: 'completed' | 'failed';
  /** A serialised `StoredOutcome`; may be sealed. */
  readonly outcome: string;
}

export interface Undecided {
  /** When it was last offered to its resolver since it waits. */
  readonly offeredAt?: number;
  /** What the attempt said that made it wait, if it said something. May be sealed. */
  readonly lastError?: string;
}

export interface OperationFilter {
  readonly states?: readonly OperationRecord['state'][];
  readonly procedure?: string;
  /** Exactly this scope. */
  readonly scope?: string;
  readonly limit: number;
  /** `next` of the page before. */
  readonly after?: string;
}

export interface OperationPage {
  /** Newest changes aren't first: the order is stable while operations change, so that paging misses none that stay. */
  readonly operations: readonly (OperationRecord & {
    readonly lastError?: string;
    readonly deadLetterOwner?: string;
  })[];
  /** Absent on the last page. */
  readonly next?: string;
  /** The store's clock. */
  readonly now: number;
}

export interface DecisionStore<Tx = unknown> {
  /**
   * `suspended` or `dead` -> `completed` or `failed` (cause `resolved`). `body` runs in the transaction that writes it, with
   * the record locked: what it writes through `tx` commits with the resolution. If it returns `undefined`, nothing remains
   * (`undecided`); if it throws, nothing remains and the error is rethrown. The record gets an owner that no attempt has: one
   * that comes back with the very same outcome is refused, as its effects are. Of n at once one decides. A record that another
   * is deciding about right now is `not_now`: nobody waits.
   */
  resolve(
    operationId: string,
    body: (tx: Tx, record: OperationRecord) => Promise<Resolution | undefined>,
    decision: Decision,
  ): Promise<Decided>;

  /**
   * A queued operation, `suspended` or `dead` -> `accepted` (cause `redriven`), attempt + 1, due now, with `grantAttempts`
   * more attempts before it is dead again; `send` writes its job in the same commit. Only within its downstream window.
   * Its input, recorded steps and child keys stay.
   */
  redrive(
    operationId: string,
    options: { readonly grantAttempts: number },
    send: (tx: Tx, record: OperationRecord) => Promise<void>,
    decision: Decision,
  ): Promise<Decided>;

  /**
   * A leased operation, `suspended` -> `processing` -> `released` (causes `resumed`, attempt + 1, and `released`) in one
   * commit: the caller's next retry runs it, with its recorded steps. Only within its downstream window.
   */
  release(operationId: string, decision: Decision): Promise<Decided>;

  /**
   * A queued operation that no worker has ever started (attempt 0), `accepted` -> `failed` (cause `cancelled`) with this
   * outcome. One that was tried may have had effects: what became of those is for `resolve` to say, once it is dead.
   */
  cancel(operationId: string, outcome: string, decision: Decision): Promise<Decided>;

  /**
   * Operations that wait for a decision (`suspended`, `dead`) and weren't offered for `everyMs`: those offered longest ago (or
   * never) first, of them the oldest, so that each has its turn; marks them as offered now, so that of many servers one
   * offers each to its resolver. Of these procedures alone, and no other is marked: a server that has no resolver for an
   * operation must not keep it from one that has. Cost grows with what waits, not with what is kept.
   */
  offer(options: {
    readonly limit: number;
    readonly everyMs: number;
    /** By stable name. @default all */
    readonly procedures?: readonly string[] | undefined;
  }): Promise<readonly OperationRecord[]>;

  /** What is known besides of one that waits for a decision now; `undefined` of any other. Reads only. */
  undecided(operationId: string): Promise<Undecided | undefined>;

  /** One page of operations. For people: may read many rows where it filters by state alone. */
  list(filter: OperationFilter): Promise<OperationPage>;

  /** Who decided about an operation and why, in order. */
  decisions(operationId: string): Promise<readonly DecisionRecord[]>;
}
