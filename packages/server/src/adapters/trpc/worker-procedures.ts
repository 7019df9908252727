import { inspectableOf } from '../../admission/inspectable.ts';
import { PolicyError } from '../../admission/policy.ts';
import { narrowedScope } from '../../admission/scope.ts';
import { OperationMisuse } from '../../engine/failure.ts';
import type { Operation } from '../../engine/operation.ts';
import type { WorkerCall, WorkerProcedure, WorkerSubject } from '../../engine/worker-procedures.ts';
import type { Semel } from '../../semel.ts';
import { statusOfTrpcError } from './errors.ts';
import type { Middleware, MiddlewareCall } from './trpc-internals.ts';
import { contextOfDelivery, type Delivery, type Workable, workableOf } from './worker-entry.ts';

/** What a worker's `createContext` is told. */
export interface WorkerContextRequest {
  /** Who asked, as `scope` said when it was accepted. */
  readonly principal: string;
  readonly operation: WorkerSubject;
}
/** Makes the context of one execution. What it throws is the attempt's failure: it is tried again. */
export type CreateWorkerContext = (request: WorkerContextRequest) => object | Promise<object>;

interface BuiltProcedure {
  (call: object): Promise<unknown>;
  readonly _def: { readonly type?: string; readonly middlewares?: readonly Middleware[] };
}

/** A tRPC router of any shape. */
export interface WorkerRouter {
  readonly _def: { readonly procedures: object };
}

/**
 * The procedures of a router that a worker may run (mode `queued`) or resolve, by stable name.
 *
 * @throws PolicyError for two with one name, for parts that load lazily, and where none is found
 */
export function workerProcedures(
  semel: Semel<unknown>,
  router: WorkerRouter,
  createContext: CreateWorkerContext,
): ReadonlyMap<string, WorkerProcedure> {
  const { procedures, lazy = {} } = router._def as { procedures: object; lazy?: object };
  const [unloaded] = Object.keys(lazy);
  if (unloaded !== undefined) {
    throw new PolicyError(
      `the worker can't see into '${unloaded}', which loads lazily: give the worker a router with its procedures in it`,
    );
  }
  const found = new Map<string, WorkerProcedure>();
  // Leased ones come along: what was accepted while they were queued has to be run by somebody.
  const isForWorkers = ({ policy }: Pick<Workable, 'policy'>): boolean =>
    policy.mode === 'queued' || policy.resolve !== undefined;
  const pathOf = new Map<string, string>();
  for (const [path, procedure] of Object.entries(procedures) as [string, BuiltProcedure][]) {
    const claim = claimOf(procedure, semel);
    if (claim === undefined) continue;
    const name = claim.workable.policy.name ?? path;
    const other = pathOf.get(name);
    const twin = found.get(name);
    if (twin !== undefined && !isForWorkers(twin) && !isForWorkers(claim.workable)) continue;
    if (other !== undefined) {
      throw new PolicyError(
        `${path} and ${other} have one name, '${name}': the worker can't tell which to run`,
      );
    }
    pathOf.set(name, path);
    found.set(name, workerProcedure({ name, path, procedure, ...claim, createContext }));
  }
  if (![...found.values()].some(isForWorkers)) {
    throw new PolicyError(
      "the worker's router has no procedure for it: none with mode 'queued' or a resolver was made with this semel",
    );
  }
  return found;
}

interface Claimed {
  readonly claim: Middleware;
  readonly workable: Workable;
}

/** `undefined`: nothing for a worker, or another semel's. */
function claimOf({ _def }: BuiltProcedure, semel: Semel<unknown>): Claimed | undefined {
  const claim = (_def.middlewares ?? []).findLast((middleware) => inspectableOf(middleware) !== undefined);
  const facts = inspectableOf(claim);
  if (claim === undefined || facts === undefined) return undefined;
  if (facts.policy.mode === 'atomic') return undefined;
  const workable = workableOf(claim);
  if (workable === undefined && facts.store === semel.store) {
    throw new PolicyError('the router was made with another copy of @semel/server than the worker');
  }
  return workable?.semel === semel ? { claim, workable } : undefined;
}

interface Found extends Claimed {
  readonly name: string;
  readonly path: string;
  readonly procedure: BuiltProcedure;
  readonly createContext: CreateWorkerContext;
}

function workerProcedure(found: Found): WorkerProcedure {
  const { name, workable } = found;
  const { policy, outcomes } = workable;
  return { name, policy, outcomes, begin: (work) => beginCall(found, work) };
}

/** One execution: the procedure is called as a request of this principal would call it, past admission. */
function beginCall(
  { path, procedure, claim, workable, createContext, name }: Found,
  { principal, input, record }: Parameters<WorkerProcedure['begin']>[0],
): WorkerCall {
  let delivery: Delivery | undefined;
  let isForeign = false;
  const { describe, parseOutput } = workable;
  const call = { path, type: 'mutation', getRawInput: async () => input, batchIndex: 0 } as const;
  /** As far as the call has come; before it began (and for a resolver) there is only what was asked. */
  const callNow = (): MiddlewareCall =>
    delivery?.call ?? { ...call, ctx: {}, input, next: async () => ({ ok: true, data: undefined }) };

  async function handle(operation: Operation): Promise<unknown> {
    // Beside the record, and not sealed: somebody else's rights must not be had by changing it.
    if (record.scope !== principal && !record.scope.startsWith(narrowedScope(principal, ''))) {
      isForeign = true;
      throw new OperationMisuse(`${name} was accepted for another scope than that of '${principal}'`);
    }
    const created = await createContext({ principal, operation: subjectOf(record) });
    if (typeof created !== 'object' || created === null) {
      throw new OperationMisuse(`createContext of the worker made no context for ${name}`);
    }
    delivery = { operation, subject: record, principal, claim, call: undefined, ran: undefined, over: false };
    const ctx = contextOfDelivery(created, delivery);
    const answered = procedure({ ...call, ctx, signal: operation.signal });
    const [refused] = await Promise.allSettled([answered]);
    delivery.over = true;
    // What the resolver said is what counts, as in a request: what stands around the claim changes no record.
    if (delivery.ran !== undefined) return delivery.ran;
    if (refused.status === 'rejected') throw refused.reason;
    throw new OperationMisuse(`a middleware of ${name} answered in place of its resolver: nothing was done`);
  }

  return {
    failures: { statusOf: statusOfTrpcError, describe: (error) => describe(error, callNow()) },
    parseOutput: parseOutput && ((value) => parseOutput(value, callNow())),
    // What was changed in the table doesn't get better by waiting.
    hasReached: () => isForeign || delivery?.ran !== undefined,
    handle,
  };
}

const subjectOf = ({
  operationId,
  scope,
  procedure,
  key,
  attempt,
  createdAt,
}: WorkerSubject): WorkerSubject => ({
  operationId,
  scope,
  procedure,
  key,
  attempt,
  createdAt,
});
