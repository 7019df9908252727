// Starting: one per process, on a store of record.

export { type KeyRing, KeyRingError } from './sealing/key-ring.ts';
export { createSemel, type Semel, type SemelOptions } from './semel.ts';
export { createMemoryStore } from './store/memory.ts';

// What a procedure promises about repetition.

export { type IdempotencyPolicy, PolicyError } from './admission/policy.ts';
export type { Resolved, Resolver, UndecidedOperation } from './engine/policy.ts';

// The handler's side.

export { OperationMisuse } from './engine/failure.ts';
export type { Operation } from './engine/operation.ts';
export { Refusal } from './engine/refusal.ts';

// A call that no request carries.

export type { Run, RunCall, RunOutcome } from './run.ts';

// Answers and errors.

export { IdempotencyError, isIdempotencyError } from './admission/idempotency-error.ts';
export { isStoreUnavailable, StoreUnavailable } from './store/port.ts';

// Queued work: what carries it, and what runs it.

export { createMemoryJobs, type MemoryJobsOptions } from './jobs/memory-jobs.ts';
export type { Consumer, Jobs } from './jobs/port.ts';
export type { Worker, WorkerOptions } from './jobs/worker.ts';

// Operating: what people may see, decide and erase, and what goes on by itself.

export type {
  DecidedBy,
  DecisionResult,
  Decisions,
  OperationList,
  OperationListFilter,
  OperatorResolution,
  RedriveOptions,
} from './decisions.ts';
export type { OperationDetails, OperationView } from './operation-view.ts';
export type { Purged, PurgeOf, PurgeOptions } from './purge.ts';
export type { RecoveryOptions } from './recovery/sweeper.ts';

// What stands in front of the store.

export type { Layer } from './store/layer.ts';
export { createProcessLayer, type ProcessLayer, type ProcessLayerOptions } from './store/layer-process.ts';

// Watching.

export type { EventListener, EventSubject, SemelEvent } from './telemetry/events.ts';
export type { MisuseOptions } from './telemetry/misuse/options.ts';
