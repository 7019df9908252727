// Starting: one per process, on a store of record.

// Answers and errors.
export { IdempotencyError, isIdempotencyError } from './admission/idempotency-error.ts';
// What a procedure promises about repetition.
export { type IdempotencyPolicy, PolicyError } from './admission/policy.ts';
// Queued work: what carries it, what runs it, and what people may decide about it.
export type {
  DecidedBy,
  DecisionResult,
  Decisions,
  OperationDetails,
  OperationList,
  OperationListFilter,
  OperationView,
  OperatorResolution,
  RedriveOptions,
} from './decisions.ts';
// The handler's side, and its resolver's.
export { OperationMisuse } from './engine/failure.ts';
export type { Operation } from './engine/operation.ts';
export type { Resolved, Resolver, UndecidedOperation } from './engine/policy.ts';
export { Refusal } from './engine/refusal.ts';
export { createMemoryJobs, type MemoryJobsOptions } from './jobs/memory-jobs.ts';
export type { Consumer, Jobs } from './jobs/port.ts';
export type { Worker, WorkerOptions } from './jobs/worker.ts';
export type { Purged, PurgeOf, PurgeOptions } from './purge.ts';
export type { RecoveryOptions } from './recovery/sweeper.ts';
export type { Run, RunCall, RunOutcome } from './run.ts';
export { type KeyRing, KeyRingError } from './sealing/key-ring.ts';
export { createSemel, type Semel, type SemelOptions } from './semel.ts';
// What stands in front of the store.
export type { Layer } from './store/layer.ts';
export { createProcessLayer, type ProcessLayer, type ProcessLayerOptions } from './store/layer-process.ts';
export { createMemoryStore } from './store/memory.ts';
export { isStoreUnavailable, StoreUnavailable } from './store/port.ts';
// Watching.
export type { EventListener, EventSubject, SemelEvent } from './telemetry/events.ts';
export type { MisuseOptions } from './telemetry/misuse/options.ts';
