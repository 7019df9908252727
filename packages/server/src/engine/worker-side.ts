import type { Job } from '@semel/contract/v1/pure';
import type { Claim } from '../store/port.ts';
import type { EngineContext } from './engine-context.ts';
import { type Executed, executeQueued, sendNext } from './execute-queued.ts';
import { lastErrorFrom } from './last-error.ts';
import { offerUndecided } from './offer-undecided.ts';
import { randomId } from './random-id.ts';
import { sealedJson } from './sealed-outcomes.ts';
import type { WorkerProcedures } from './worker-procedures.ts';

/** What of the engine one worker uses. */
export interface WorkerSide {
  /** One delivery. @throws for what can't be dealt with now: deliver it again later */
  execute(job: Job): Promise<Executed>;
  /** Asks resolvers about what waits for a decision: one promise for each that is being asked. None rejects. */
  offer(options: { readonly limit: number; readonly everyMs: number }): Promise<readonly Promise<void>[]>;
  /** Gives up what this worker still runs: signals abort, and what may resume goes back to the queue for another worker. */
  handOver(): Promise<void>;
}

/**
 * @param engine what the worker's attempts share with the requests': its drain waits for them as well
 */
export function createWorkerSide<Tx>(
  context: EngineContext<Tx>,
  procedures: WorkerProcedures<Tx>,
  engine: { track<T>(work: () => Promise<T>): Promise<T> },
): WorkerSide {
  const owners = new Set<string>();
  return {
    execute(job) {
      return engine.track(async () => {
        const owner = randomId();
        owners.add(owner);
        try {
          return await executeQueued(context, procedures, job, owner);
        } finally {
          owners.delete(owner);
        }
      });
    },
    offer: (options) => offerUndecided(context, procedures, options),
    async handOver() {
      const given = context.leases.abandon('The worker is shutting down', ({ owner }) => owners.has(owner));
      await Promise.allSettled(given.map((claim) => handBack(context, claim)));
    },
  };
}

/**
 * Another server may go on at once where the record allows it; otherwise the lease runs out and somebody decides. A last attempt
 * is left to its lease as well: it would have none to go on with.
 */
export async function handBack<Tx>(context: EngineContext<Tx>, claim: Claim): Promise<void> {
  const { policy, attempt } = claim;
  if (policy.onCrash !== 'resume') return;
  const trace = { actor: 'drain' };
  if (policy.mode !== 'queued') {
    await context.store.settle(claim, { to: 'released', cause: 'released' }, trace);
    return;
  }
  if (attempt >= policy.maxAttempts) return;
  const error = new Error('The server was shut down');
  const lastError = sealedJson(context, claim, 'error', lastErrorFrom(error));
  const end = { to: 'accepted', cause: 'rescheduled', delayMs: 0, lastError } as const;
  const written = await context.store.settle(claim, end, trace);
  if (written.kind !== 'settled') return;
  const { scope, procedure, key, operationId } = claim;
  context.emit({ type: 'rescheduled', delayMs: 0, error, scope, procedure, key, operationId, attempt });
  await sendNext(context, claim, 0);
}
