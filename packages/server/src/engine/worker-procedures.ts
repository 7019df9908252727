import type { OperationRecord } from '../store/port.ts';
import type { FailureCodec } from './failure.ts';
import type { Operation } from './operation.ts';
import type { OutcomeCodec } from './outcome.ts';
import type { Policy } from './policy.ts';

/**
 * What a worker may run and resolve: an adapter finds it in its router by stable names. The worker's side of the engine knows
 * no adapter.
 */
export interface WorkerProcedure<Tx = unknown> {
  /** The stable name that records have. */
  readonly name: string;
  readonly policy: Policy;
  readonly outcomes: OutcomeCodec;
  /** Prepares one execution: everything that depends on this very call. */
  begin(work: {
    readonly principal: string;
    readonly input: unknown;
    readonly record: WorkerSubject;
  }): WorkerCall<Tx>;
}

export type WorkerSubject = Pick<
  OperationRecord,
  'operationId' | 'scope' | 'procedure' | 'key' | 'attempt' | 'createdAt'
>;

export interface WorkerCall<Tx = unknown> {
  readonly failures: FailureCodec;
  /** `undefined` where the handler's output is already parsed. */
  readonly parseOutput: ((value: unknown) => unknown) | undefined;
  /**
   * Whether the handler itself has begun, or the operation can't get there. What fails before (a context that can't be made, guards whose database is away) with
   * no status below 500 isn't counted among the operation's attempts, up to a bound. @default always
   */
  hasReached?(): boolean;
  /** Guards, parsers and the resolver, as a request of this principal would meet them. */
  handle(operation: Operation<Tx>): Promise<unknown>;
}

/** By stable name. */
export type WorkerProcedures<Tx = unknown> = ReadonlyMap<string, WorkerProcedure<Tx>>;
