import { type EngineContext, refused, subjectOf } from './engine-context.ts';
import type { RunRequest, RunResult } from './request.ts';
import { withDeadline } from './wait.ts';

interface Running {
  readonly fingerprint: string;
  /** A handler that never ends must not keep its key for ever: after its time the store decides again. Monotonic. */
  readonly until: number;
  /** Never rejects: `undefined` when the leader's handler failed for now and nothing was stored. */
  readonly result: Promise<RunResult | undefined>;
}

export interface Joining {
  /** The answer for a duplicate of a call that runs in this process, or `undefined` when none runs. */
  join(id: string, request: RunRequest): Promise<RunResult> | undefined;
  lead(id: string, request: RunRequest, result: Promise<RunResult>): Promise<RunResult>;
}

/**
 * Duplicates within one process meet here, before any database is asked, and hold no connection while they wait.
 * Only saves time: two processes meet at the store, which decides.
 */
export function createJoining<Tx>(context: EngineContext<Tx>): Joining {
  const running = new Map<string, Running>();

  async function follow(leader: Running, request: RunRequest): Promise<RunResult> {
    const { waitMs } = request.policy;
    if (waitMs === 0) return refused(context, request, 'in_flight');
    const waited = await context.waiters.admit(async () => ({
      result: await withDeadline(leader.result, performance.now() + waitMs),
    }));
    if (waited === undefined) return refused(context, request, 'in_flight');
    const { result } = waited;
    if (result === undefined) return refused(context, request, 'in_flight', { retryAfterMs: 100 });
    if (result.kind === 'refused') {
      context.emit({ type: 'refused', code: result.problem.code, ...subjectOf(request) });
      return result;
    }
    const { operationId } = result;
    context.emit({
      type: 'replayed',
      outcome: result.kind,
      layer: 'process',
      ...subjectOf(request, { operationId }),
    });
    return result.kind === 'completed'
      ? { ...result, replayed: true }
      : { kind: 'failed', error: result.error, replayed: true, operationId };
  }

  return {
    join(id, request) {
      const leader = running.get(id);
      if (leader === undefined || performance.now() >= leader.until) return undefined;
      // Lenient replay is for settled operations only; this one isn't.
      return leader.fingerprint === request.fingerprint
        ? follow(leader, request)
        : Promise.resolve(refused(context, request, 'key_reused'));
    },
    async lead(id, request, result) {
      const { fingerprint, policy } = request;
      const until = performance.now() + policy.waitMs + policy.maxRunMs;
      const entry: Running = { fingerprint, until, result: result.catch(() => undefined) };
      running.set(id, entry);
      try {
        return await result;
      } finally {
        if (running.get(id) === entry) running.delete(id);
      }
    },
  };
}
