import type { OperationMode, RecordedPolicy } from '../store/port.ts';

/** A policy with every default filled in and every value checked. */
export interface Policy extends RecordedPolicy {
  readonly mode: OperationMode;
  readonly name: string | undefined;
  readonly key: 'required' | 'optional' | 'derived';
  readonly narrowScope: ((input: unknown) => string) | undefined;
  readonly pick: ((input: unknown) => unknown) | undefined;
  readonly mismatch: 'reject' | 'replay';
  readonly mismatchStatus: 422 | 409;
  readonly waitMs: number;
  readonly effects: 'unknown' | 'steps';
  readonly isFinal: ((error: unknown) => boolean) | undefined;
  readonly maxOutcomeBytes: number;
  /** `undefined`: where there is a key ring. */
  readonly encrypt: boolean | undefined;
  /** Mode `queued`: between two attempts, exponential with full jitter. */
  readonly backoff: { readonly minMs: number; readonly maxMs: number };
  /** Mode `queued`: who has to decide when the retries have run out. */
  readonly deadLetterOwner: string | undefined;
  /** Asked about an operation that waits for a decision. */
  readonly resolve: Resolver | undefined;
  readonly isolation: 'read committed' | 'repeatable read' | 'serializable';
  /** The part that is written into the record. */
  readonly recorded: RecordedPolicy;
}

/** An operation that waits for a decision, as its resolver gets it. */
export interface UndecidedOperation {
  readonly id: string;
  readonly scope: string;
  readonly procedure: string;
  readonly key: string;
  readonly state: 'suspended' | 'dead';
  /** The last attempt that ran. */
  readonly attempt: number;
  /** Epoch milliseconds, by the store's clock. */
  readonly createdAt: number;
  /** The recorded results of its steps and transactions, by name: those surely happened. */
  readonly steps: Readonly<Record<string, unknown>>;
  /** Queued: who asked, and the raw input. */
  readonly work: { readonly principal: string; readonly input: unknown } | undefined;
  /** The key that it used downstream under that name: what to ask the other side about. */
  childKey(step: string): string;
}

/** What a resolver found out. `undefined`: nothing yet, ask again later, or a person. */
export type Resolved =
  /** It happened: what the procedure would have returned. Goes through its output parser. */
  | { readonly completed: unknown }
  /** It didn't, and won't: the error that callers get, as the procedure would throw it, or `{ httpStatus, code, message }`. */
  | { readonly failed: unknown }
  /**
   * It surely didn't happen: a queued operation goes back to its queue, a leased one is released for its caller's retry.
   * What the resolver wrote through `tx` is rolled back. Only within the downstream window; after it this is no decision. A
   * queued one keeps the attempts that it had left; one that had none (`dead`) gets a single one, and not twice in a row: then
   * it stays as it is, with a `resolver_failed`, for a person.
   */
  | 'run_again'
  | undefined;

/** Declared as a method, so that an application may name its own store's type of `tx`. */
export type Resolver = {
  ask(operation: UndecidedOperation, tx: unknown): Resolved | Promise<Resolved>;
}['ask'];
