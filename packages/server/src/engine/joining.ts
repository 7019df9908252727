import { type EngineContext, refused, subjectOf } from './engine-context.ts';
import type { Outcome } from './outcome.ts';
import type { RunRequest, RunResult } from './request.ts';
import { withDeadline } from './wait.ts';

interface Running {
  readonly fingerprint: string;
  /** Its handler has begun, so the key is its own. Before, it may itself be about to be refused, or be replaying. */
  executing: boolean;
  /** A handler that never ends must not keep its key for ever: after its time the store decides again. Monotonic. */
  readonly until: number;
  /** Who waits for its result: `undefined` when its handler failed for now and nothing was stored. Few have any. */
  followers: ((result: RunResult | undefined) => void)[] | undefined;
}

const resultOf = (leader: Running): Promise<RunResult | undefined> =>
  new Promise((resolve) => {
    leader.followers ??= [];
    leader.followers.push(resolve);
  });

type Ended = Extract<RunResult, { kind: 'completed' | 'failed' }>;

/** As from the store: what the application does to one caller's answer on its way out is no other's. */
function ownCopy(result: Ended, { outcomes }: RunRequest): Exclude<Outcome, { kind: 'gone' }> {
  const { kind } = result;
  const same = kind === 'completed' ? { kind, value: result.value } : { kind, error: result.error };
  const all = Number.POSITIVE_INFINITY;
  try {
    const text =
      kind === 'completed' ? outcomes.fromValue(result.value, all) : outcomes.fromError(result.error, all);
    const copy = outcomes.toOutcome(text);
    return copy.kind === 'gone' ? same : copy;
  } catch {
    // It can't be stored either; the caller whose handler made it is told.
    return same;
  }
}

export interface Joining {
  /** The answer for a duplicate of a call that runs in this process, or `undefined` when none runs. */
  join(id: string, request: RunRequest): Promise<RunResult> | undefined;
  /** @param run gets what its handler calls when it begins */
  lead(id: string, request: RunRequest, run: (began: () => void) => Promise<RunResult>): Promise<RunResult>;
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
      result: await withDeadline(resultOf(leader), performance.now() + waitMs),
    }));
    if (waited === undefined) return refused(context, request, 'in_flight');
    const { result } = waited;
    // Nothing was stored; or it was about the leader's own key age, which says nothing about this call's.
    if (result === undefined || (result.kind === 'refused' && result.problem.code === 'key_expired'))
      return refused(context, request, 'in_flight', { retryAfterMs: 100 });
    if (result.kind === 'refused') {
      context.emit({ type: 'refused', code: result.problem.code, ...subjectOf(request) });
      return result;
    }
    const { operationId } = result;
    if (result.kind === 'accepted') {
      context.emit({ type: 'accepted', ...subjectOf(request, { operationId }) });
      return result;
    }
    context.emit({
      type: 'replayed',
      outcome: result.kind,
      layer: 'process',
      ...subjectOf(request, { operationId }),
    });
    return { ...ownCopy(result, request), replayed: true, operationId };
  }

  return {
    join(id, request) {
      const leader = running.get(id);
      if (leader === undefined || performance.now() >= leader.until) return undefined;
      // Who must not wait, or asks for something else, is told by the record alone while the leader only looks at it.
      const differs = leader.fingerprint !== request.fingerprint;
      const mayWait = request.policy.waitMs > 0 && !context.waiters.areFull;
      if (!leader.executing && (differs || !mayWait)) return undefined;
      // Lenient replay is for settled operations only; this one isn't.
      return differs ? Promise.resolve(refused(context, request, 'key_reused')) : follow(leader, request);
    },
    async lead(id, request, run) {
      const { fingerprint, policy } = request;
      const until = performance.now() + policy.waitMs + policy.maxRunMs;
      const entry: Running = { fingerprint, until, executing: false, followers: undefined };
      const leader = running.get(id);
      const leads = (): void => void running.set(id, entry);
      if (leader === undefined || performance.now() >= leader.until) leads();
      let result: RunResult | undefined;
      try {
        result = await run(() => {
          entry.executing = true;
          leads(); // whoever led before has only looked
        });
        return result;
      } finally {
        for (const follower of entry.followers ?? []) follower(result);
        if (running.get(id) === entry) running.delete(id);
      }
    },
  };
}
