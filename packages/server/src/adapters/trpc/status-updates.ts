import { createHash } from 'node:crypto';
import { createProblem, isSettled, type OperationStatus, type StatusInput } from '@semel/contract/v1/pure';
import {
  type TRPCProcedureBuilder,
  type TRPCSubscriptionProcedure,
  type TrackedEnvelope,
  tracked,
} from '@trpc/server';
import { isStoreUnavailable, type Sighting } from '../../store/port.ts';
import { statusFrom } from '../operation-status.ts';
import { trpcErrorFromProblem } from './errors.ts';
import type { ProcedureOptions } from './procedure.ts';
import { shapeOwnErrors } from './shape-own-errors.ts';
import { find, notFound, parseStatusInput, reachable } from './status.ts';
import type { AnyBuilder } from './trpc-internals.ts';

// biome-ignore lint/suspicious/noExplicitAny: only the error shape and meta of the builder matter here
type Any = any;
export type StatusUpdatesProcedure<B> =
  B extends TRPCProcedureBuilder<Any, infer Meta, Any, Any, Any, Any, Any, Any, infer ErrorShape>
    ? TRPCSubscriptionProcedure<{
        input: StatusInput;
        output: AsyncIterable<{ id: string; data: OperationStatus }, void, Any>;
        meta: Meta;
        errorShape: ErrorShape;
      }>
    : never;

export interface StatusUpdatesOptions {
  /** Subscriptions of this procedure open at the same time in this process; more are answered 503. @default 1000 */
  readonly maxWatchers?: number;
  /** The store is asked this often after a change, then ever more rarely. Milliseconds. @default 500 */
  readonly everyMs?: number;
}

/** Longest wait between two looks, while something happens by itself, and while somebody has to decide. */
const SLOWEST_MS = 5_000;
const SLOWEST_UNDECIDED_MS = 15_000;
const FACTOR = 1.5;

interface Asked {
  readonly ask: StatusInput;
  readonly lastEventId: string | undefined;
}

/** What is known about an operation, whenever it changes, until it is settled. Holds no connection between two looks. */
export function statusUpdatesProcedure<B extends object>(
  builder: B,
  options: ProcedureOptions,
  { maxWatchers = 1000, everyMs = 500 }: StatusUpdatesOptions,
): StatusUpdatesProcedure<B> {
  const plain = builder as unknown as AnyBuilder;
  let watchers = 0;

  function refuseTooMany(): void {
    if (watchers < maxWatchers) return;
    const problem = createProblem('store_unavailable', { retryAfterMs: 5_000 });
    const cause = new Error(`${maxWatchers} status updates are being sent`);
    throw trpcErrorFromProblem(
      { kind: 'refused', problem, cause },
      422,
      'too many status updates are being sent',
    );
  }

  async function* watch(
    { ask, lastEventId }: Asked,
    principal: string,
    first: Sighting | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<TrackedEnvelope<OperationStatus>, void> {
    refuseTooMany();
    watchers++;
    try {
      let seen: Sighting | undefined | 'unreachable' = first;
      let told = lastEventId;
      let waitMs = everyMs;
      let id: string | undefined;
      for (;;) {
        if (seen !== 'unreachable') {
          id ??= seen?.record.operationId;
          const change = await changeSince(told, seen);
          if (change !== undefined) {
            told = change;
            waitMs = everyMs;
            yield tracked(
              change,
              seen === undefined ? notFound(ask) : await statusFrom(options.semel.engine, seen),
            );
          }
          // One that was there and is gone, or whose random id nobody knows, won't come any more.
          if (seen === undefined ? id !== undefined || 'operationId' in ask : isSettled(seen.record.state))
            return;
        }
        await pause(waitMs, signal);
        if (signal?.aborted) return;
        const undecided = seen !== undefined && seen !== 'unreachable' && UNDECIDED.has(seen.record.state);
        waitMs = Math.min(waitMs * FACTOR, Math.max(everyMs, undecided ? SLOWEST_UNDECIDED_MS : SLOWEST_MS));
        seen = await look(id === undefined ? ask : { operationId: id }, principal);
      }
    } finally {
      watchers--;
    }
  }

  /** An outage ends no subscription: the next look may see more. */
  async function look(ask: StatusInput, principal: string): Promise<Sighting | undefined | 'unreachable'> {
    try {
      return await find(options, ask, principal);
    } catch (error) {
      if (isStoreUnavailable(error)) return 'unreachable';
      throw error;
    }
  }

  /** The id of what is to be told; `undefined` when it was told. */
  async function changeSince(
    told: string | undefined,
    seen: Sighting | undefined,
  ): Promise<string | undefined> {
    if (seen === undefined) return told === 'none' ? undefined : 'none';
    const { operationId, version, state } = seen.record;
    const progress =
      state === 'processing'
        ? await options.semel.store.queue.progress(operationId).catch(() => undefined)
        : undefined;
    const of = progress && createHash('sha256').update(progress.value).digest('base64url').slice(0, 12);
    const change = [operationId, version, ...(progress ? [progress.at, of] : [])].join(':');
    return change === told ? undefined : change;
  }

  const subscription = plain
    .use(shapeOwnErrors(plain))
    .input(parseAsked)
    .subscription(async ({ ctx, input, signal }: { ctx: unknown; input: Asked; signal?: AbortSignal }) => {
      const principal = options.principalOf(ctx);
      refuseTooMany();
      const first = await reachable(find(options, input.ask, principal), options.contextOf(ctx));
      return watch(input, principal, first, signal);
    });
  return subscription as StatusUpdatesProcedure<B>;
}

const UNDECIDED: ReadonlySet<string> = new Set(['suspended', 'dead']);

/** tRPC puts the id of the last event that a reconnecting client has seen into its input. */
function parseAsked(value: unknown): Asked {
  const { lastEventId } = (value ?? {}) as { lastEventId?: unknown };
  return {
    ask: parseStatusInput(value),
    lastEventId: typeof lastEventId === 'string' ? lastEventId : undefined,
  };
}

/** Ends early, and leaves no timer, when the subscriber goes. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}
