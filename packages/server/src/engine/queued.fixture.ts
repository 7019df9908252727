import { fingerprint } from '@semel/contract/v1/pure';
import { vi } from 'vitest';
import { type IdempotencyPolicy, policyOn } from '../admission/policy.ts';
import { createMemoryJobs } from '../jobs/memory-jobs.ts';
import type { Jobs } from '../jobs/port.ts';
import type { Worker, WorkerOptions } from '../jobs/worker.ts';
import { createSemel, type Semel, type SemelOptions } from '../semel.ts';
import { createMemoryStore, type MemoryStore, type MemoryTransaction } from '../store/memory.ts';
import type { OperationRecord } from '../store/port.ts';
import type { SemelEvent } from '../telemetry/events.ts';
import type { FailureCodec } from './failure.ts';
import type { Operation } from './operation.ts';
import { createOutcomeCodec } from './outcome.ts';
import type { RunRequest, RunResult } from './request.ts';
import type { WorkerProcedure } from './worker-procedures.ts';

type Tx = MemoryTransaction;
export type Run = (operation: Operation<Tx>, input: unknown, principal: string) => unknown;

export class HttpError extends Error {
  readonly status: number;
  constructor(status: number, message = `HTTP ${status}`) {
    super(message);
    this.status = status;
  }
}

const failures: FailureCodec = {
  statusOf: (error) => (error instanceof HttpError ? error.status : undefined),
  describe: (error) => ({
    httpStatus: error instanceof HttpError ? error.status : 500,
    code: error instanceof HttpError ? 'HTTP' : 'INTERNAL',
    message: error instanceof Error ? error.message : '',
  }),
};

export interface QueuedOptions {
  readonly policy?: Partial<IdempotencyPolicy>;
  readonly store?: MemoryStore;
  readonly jobs?: Jobs<Tx>;
  readonly semel?: Partial<SemelOptions<Tx>>;
}

/** A procedure `pay` of mode queued on a memory store, called as an adapter would, and run by workers as they are. */
export async function startQueued(options: QueuedOptions = {}) {
  const store = options.store ?? createMemoryStore();
  const jobs = options.jobs ?? createMemoryJobs({ againMs: 1 });
  const events: SemelEvent[] = [];
  const semel: Semel<Tx> = createSemel<Tx>({
    store,
    jobs,
    recovery: false,
    onEvent: (event) => events.push(event),
    ...options.semel,
  });
  const outcomes = createOutcomeCodec();
  let body: Run = () => 'done';
  let given = { mode: 'queued', backoff: { minMs: 1, maxMs: 1 }, ...options.policy } as IdempotencyPolicy;

  const request = (key: string, input: unknown, principal = 'alice'): RunRequest => ({
    scope: principal,
    procedure: 'pay',
    key,
    ageMs: undefined,
    fingerprint: fingerprint('pay', input),
    policy: policyOn(semel.engine, given),
    failures,
    outcomes,
    trace: { actor: 'request' },
    queued: { principal, input },
  });

  const procedure = (): WorkerProcedure<Tx> => ({
    name: 'pay',
    policy: policyOn(semel.engine, given),
    outcomes,
    begin: ({ principal, input }) => ({
      failures,
      parseOutput: undefined,
      handle: async (operation) => body(operation, input, principal),
    }),
  });

  const idOf = (result: RunResult): string => {
    const id = result.kind === 'refused' ? result.problem.operationId : result.operationId;
    if (id === undefined) throw new Error('it has no operation id');
    return id;
  };
  const recordOf = async (result: RunResult | string): Promise<OperationRecord> => {
    const id = typeof result === 'string' ? result : idOf(result);
    const found = await store.find(id);
    if (found === undefined) throw new Error('it has no record');
    return found.record;
  };
  const reaches = (result: RunResult | string, ...states: OperationRecord['state'][]) =>
    vi.waitFor(
      async () => {
        const record = await recordOf(result);
        if (!states.includes(record.state)) throw new Error(`it is ${record.state}`);
        return record;
      },
      { timeout: 5000, interval: 2 },
    );

  return {
    store,
    jobs,
    semel,
    events,
    idOf,
    recordOf,
    reaches,
    settled: (result: RunResult | string) => reaches(result, 'completed', 'failed'),
    /** What the procedure does from now on. */
    run(next: Run): void {
      body = next;
    },
    /** Today's policy, from now on. */
    policy(next: Partial<IdempotencyPolicy>): void {
      given = { ...given, ...next } as IdempotencyPolicy;
    },
    call: (key: string, input: unknown = 1, principal?: string) =>
      semel.engine.run(request(key, input, principal), async (operation) =>
        body(operation, input, 'request'),
      ),
    procedures: () => new Map([['pay', procedure()]]),
    worker: (workerOptions: WorkerOptions & { readonly without?: true } = {}): Worker => {
      const { without, ...rest } = workerOptions;
      return semel.startWorker(without ? new Map() : new Map([['pay', procedure()]]), rest);
    },
    side: () => semel.engine.workerSide(new Map([['pay', procedure()]])),
    types: () => events.map(({ type }) => type),
  };
}
