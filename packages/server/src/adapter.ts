/** For authors of adapters: an admitted request goes in, what became of it comes out. */
export { policyFrom, policyOn } from './admission/policy.ts';
export type { Engine } from './engine/engine.ts';
export type { DescribedError, FailureCodec } from './engine/failure.ts';
export { createOutcomeCodec, type OutcomeCodec, type Serializer } from './engine/outcome.ts';
export type { Policy } from './engine/policy.ts';
export type { Handler, RunRequest, RunResult } from './engine/request.ts';
export type {
  WorkerCall,
  WorkerProcedure,
  WorkerProcedures,
  WorkerSubject,
} from './engine/worker-procedures.ts';
export type { WorkerSide } from './engine/worker-side.ts';
