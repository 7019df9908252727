import type { Attributes } from '@opentelemetry/api';
import { createProblem, isSettled, parseOutcome, type StoredOutcome } from '@semel/contract/v1/pure';
import type { Jobs } from '../jobs/port.ts';
import type { Sealing } from '../sealing/sealing.ts';
import type { Layers } from '../store/layers.ts';
import {
  identityKey,
  isStoreUnavailable,
  type OperationRecord,
  type Store,
  StoreUnavailable,
} from '../store/port.ts';
import type { Emit } from '../telemetry/events.ts';
import type { WatchCalls } from '../telemetry/misuse/observer.ts';
import { withSpan } from '../telemetry/tracing.ts';
import { behindLayers } from './behind-layers.ts';
import { type EngineContext, refused, subjectOf } from './engine-context.ts';
import { createJoining } from './joining.ts';
import { createLeases } from './leases.ts';
import type { Operation } from './operation.ts';
import { randomId } from './random-id.ts';
import { createRecentKeys } from './recent-keys.ts';
import type { Call, Handler, RunRequest, RunResult } from './request.ts';
import { runAtomic } from './run-atomic.ts';
import { runLeased } from './run-leased.ts';
import { type NestedCall, runNested } from './run-nested.ts';
import { runQueued } from './run-queued.ts';
import { openJson, openOutcome } from './sealed-outcomes.ts';
import { sleep } from './wait.ts';
import { createWaiters } from './waiters.ts';
import type { WorkerProcedures } from './worker-procedures.ts';
import { createWorkerSide, handBack, type WorkerSide } from './worker-side.ts';

/** Bounded values only, but for the operation's id: the thread from a trace to the audit rows. */
const attributesOf = (result: RunResult): Attributes =>
  result.kind === 'refused'
    ? { 'idempotency.outcome': result.problem.code }
    : {
        'idempotency.outcome': result.kind,
        ...('replayed' in result && { 'idempotency.replayed': result.replayed }),
        'idempotency.operation.id': result.operationId,
      };

/** The engine of one process: adapters bring it admitted calls. */
export interface Engine<Tx> {
  readonly store: Store<Tx>;
  /** One keyed call. Throws only a handler's own transient error, or a broken store's. */
  run(request: RunRequest, handler: Handler<Tx>): Promise<RunResult>;
  /** A call made inside another's handler: joins it, or is refused. */
  runNested(outer: Operation<Tx>, call: NestedCall, handler: Handler<Tx>): Promise<unknown>;
  /** Whether there is a key ring. */
  readonly encrypts: boolean;
  /** A record's outcome for a status answer: opened; `unreadable` where it can't be. `undefined` while there is none. */
  outcomeOf(record: OperationRecord): StoredOutcome | undefined;
  /** Whether there are jobs: mode `queued` needs them. */
  readonly queues: boolean;
  /** How far an unsettled operation has come, for a status answer: plain JSON. `undefined` while nothing was reported, or if it can't be read. */
  progressOf(record: OperationRecord): Promise<{ readonly value: unknown } | undefined>;
  /** What a worker in this process does through this engine. */
  workerSide(procedures: WorkerProcedures<Tx>): WorkerSide;
  /** Attempts running in this process, a worker's included. */
  readonly active: number;
  /**
   * Refuses new work with `store_unavailable` (503) and waits for what runs. At the deadline the signals of leased attempts
   * abort, and operations that may resume are released for another server; atomic ones are left to their transactions, of which
   * nothing remains unless they commit. @returns how many still ran then
   */
  drain(deadlineMs: number): Promise<number>;
  /** Refuses new work, and renews no leases any more: drain first. */
  close(): void;
}

/** How long a caller whom this process has no room for, or who comes at its end, should stay away. */
const TURNED_AWAY_MS = 1000;

interface EngineOptions<Tx> {
  readonly store: Store<Tx>;
  readonly sealing: Sealing;
  readonly emit: Emit;
  /** In front of the store. @default none */
  readonly layers?: Layers | undefined;
  /** @default none: nothing is queued */
  readonly jobs?: Jobs<Tx> | undefined;
  /**
   * Calls at work in this process at the same time; more are turned away with `store_unavailable`, before anything is begun: a
   * queue without end would answer everybody too late.
   */
  readonly maxRunning: number;
  /** Callers that may wait for another's answer at the same time; more get `in_flight` at once. */
  readonly maxWaiters: number;
  /** Sees every keyed call and its result. @default nobody */
  readonly watch?: WatchCalls | undefined;
}

export function createEngine<Tx>(options: EngineOptions<Tx>): Engine<Tx> {
  const { store, sealing, emit, layers, jobs, maxRunning, watch = (run) => run } = options;
  const leases = createLeases(store);
  const waiters = createWaiters(options.maxWaiters);
  const context: EngineContext<Tx> = { store, sealing, emit, layers, jobs, leases, waiters };
  const joining = createJoining(context);
  const recent = createRecentKeys();
  const modes = { atomic: runAtomic<Tx>, leased: runLeased<Tx>, queued: runQueued<Tx> };
  let active = 0;
  let draining = false;

  async function runOnce(request: RunRequest, handler: Handler<Tx>, id: string): Promise<RunResult> {
    const mayBeRetry = (request.ageMs ?? 0) >= 1000 || recent.has(id);
    recent.add(id);
    const deadline = performance.now() + request.policy.waitMs;
    const call: Call<Tx> = { request, handler, mayBeRetry, owner: randomId(), deadline };
    try {
      return await behindLayers(context, call, modes[request.policy.mode]);
    } catch (error) {
      // Thrown by the store before anything began; what a handler throws is never a StoreUnavailable of ours unless a
      // nested call was refused so, and then 503 with the same key is right as well.
      if (isStoreUnavailable(error)) return refused(context, request, 'store_unavailable', { cause: error });
      throw error;
    }
  }

  function turnedAway(request: RunRequest): RunResult {
    emit({ type: 'refused', code: 'store_unavailable', ...subjectOf(request) });
    return {
      kind: 'refused',
      problem: createProblem('store_unavailable', { retryAfterMs: TURNED_AWAY_MS }),
    };
  }

  /** A worker's attempt: the drain waits for it, and lets no new one begin. */
  async function track<T>(work: () => Promise<T>): Promise<T> {
    if (draining) throw new StoreUnavailable('This server is shutting down');
    active++;
    try {
      return await work();
    } finally {
      active--;
    }
  }

  return {
    store,
    encrypts: sealing.configured,
    queues: jobs !== undefined,
    outcomeOf(record) {
      if (record.outcome === undefined) return undefined;
      const text = openOutcome(context, record);
      const stored = text === undefined ? undefined : parseOutcome(text);
      return stored ?? { v: 1, ok: record.state === 'completed', gone: 'unreadable' };
    },
    async progressOf(record) {
      if (isSettled(record.state)) return undefined;
      const found = await store.queue.progress(record.operationId);
      return found && openJson(context, record, 'progress', found.value);
    },
    workerSide: (procedures) => createWorkerSide(context, procedures, { track }),
    get active() {
      return active;
    },
    run: watch(async (request: RunRequest, handler: Handler<Tx>): Promise<RunResult> => {
      if (draining) return turnedAway(request);
      const id = identityKey(request);
      const joined = joining.join(id, request);
      if (joined !== undefined) return joined;
      if (active >= maxRunning) return turnedAway(request);
      active++;
      try {
        return await withSpan(request.procedure, request.policy.mode, async (span) => {
          const result = await joining.lead(id, request, (began) =>
            runOnce(
              request,
              (operation) => {
                began();
                return handler(operation);
              },
              id,
            ),
          );
          if (span.isRecording()) span.setAttributes(attributesOf(result));
          return result;
        });
      } finally {
        active--;
      }
    }),
    runNested: (outer, call, handler) => runNested(context, outer, call, handler),
    async drain(deadlineMs) {
      draining = true;
      const deadline = performance.now() + deadlineMs;
      while (active > 0 && performance.now() < deadline) await sleep(10);
      const left = active;
      const abandoned = leases.abandon('The server is shutting down');
      await Promise.allSettled(abandoned.map((claim) => handBack(context, claim)));
      return left;
    },
    close() {
      draining = true;
      leases.close();
    },
  };
}
