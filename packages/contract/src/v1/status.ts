import type { StoredOutcome } from './outcome.ts';
import type { OperationState, TransitionCause } from './states.ts';

/** One row of an operation's history. */
export interface TransitionRecord {
  seq: number;
  from: OperationState | null;
  to: OperationState;
  attempt: number;
  /** ISO 8601, the database's clock. */
  at: string;
  cause: TransitionCause;
}

/** What is known about an operation. All times are ISO 8601. */
export interface RecordedStatus {
  operationId: string;
  procedure: string;
  state: OperationState;
  attempt: number;
  createdAt: string;
  updatedAt: string;
  /** Only settled and released operations expire. */
  expiresAt?: string;
  outcome?: StoredOutcome;
  progress?: unknown;
  retryAfterMs?: number;
  transitions: TransitionRecord[];
}

/** Not recorded, or another principal's. Doesn't mean that it won't happen: a request may still be on its way. */
export interface UnrecordedStatus {
  state: 'not_found';
  operationId?: string;
  procedure?: string;
}

/** The answer of `idempotency.status`. */
export type OperationStatus = RecordedStatus | UnrecordedStatus;

/** What to ask the status of: a client that lost its answer knows only its key. */
export type StatusInput = { operationId: string } | { procedure: string; key: string };

/** What a queue carries to a worker: names, no content. The input stays in the record, encrypted if the policy says so. */
export interface Job {
  v: 1;
  operationId: string;
  scope: string;
  procedure: string;
  /** W3C trace context of the request that enqueued it. */
  traceparent?: string;
}

/** Reads a job from a queue. `undefined` for anything else: a worker then sets it aside. Never throws. */
export function parseJob(value: unknown): Job | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { v, operationId, scope, procedure, traceparent } = value as Partial<Record<keyof Job, unknown>>;
  if (
    v !== 1 ||
    typeof operationId !== 'string' ||
    typeof scope !== 'string' ||
    typeof procedure !== 'string'
  ) {
    return undefined;
  }
  const job: Job = { v, operationId, scope, procedure };
  return typeof traceparent === 'string' ? { ...job, traceparent } : job;
}
