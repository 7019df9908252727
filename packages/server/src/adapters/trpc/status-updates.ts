import { createHash } from 'node:crypto';
import { createProblem, isSettled, type OperationStatus, type StatusInput } from '@semel/contract/v1/pure';
import {
  type TRPCProcedureBuilder,
  type TRPCSubscriptionProcedure,
  type TrackedEnvelope,
  tracked,
} from '@trpc/server';
import { isStoreUnavailable, type OperationRecord, type Sighting } from '../../store/port.ts';
import { ownOperation, statusFrom } from '../operation-status.ts';
import { trpcErrorFromProblem } from './errors.ts';
import type { ProcedureOptions } from './procedure.ts';
import { shapeOwnErrors } from './shape-own-errors.ts';
import { notFound, parseStatusInput, reachable } from './status.ts';
import type { AnyBuilder } from './trpc-internals.ts';

// biome-ignore lint/suspicious/noExplicitAny: only the error shape and meta of the builder matter here
type Any = any;
/** The subscription that `statusUpdates` makes of a builder: its events are tracked, so a client that reconnects misses no end. */
export type StatusUpdatesProcedure<B> =
  B extends TRPCProcedureBuilder<Any, infer Meta, Any, Any, Any, Any, Any, Any, infer ErrorShape>
    ? TRPCSubscriptionProcedure<{
        input: StatusInput;
        output: AsyncIterable<{ id: string; data: OperationStatus }, void, Any>;
        meta: Meta;
        errorShape: ErrorShape;
      }>
    : never;

/** What `statusUpdates` takes. Both are whole numbers from 1 on. */
export interface StatusUpdatesOptions {
  /** Subscriptions of this procedure open at the same time in this process; more are answered 503. @default 1000 */
  readonly maxWatchers?: number;
  /**
   * The store is asked this often after a change, then ever more rarely: every 5 s at the slowest, 15 s while somebody has to
   * decide. Milliseconds, up to an hour. @default 500
   */
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

/** What one look at an operation found. */
interface Seen {
  readonly change: string;
  /** `undefined`: there is none. */
  readonly record: Sighting['record'] | undefined;
  /** `undefined` for what was told already, and where there is none. */
  readonly status: OperationStatus | undefined;
}

/**
 * What is known about an operation, whenever it changes, until it is settled. Holds no connection between two looks.
 *
 * @throws TypeError for options that are no limit
 */
export function statusUpdatesProcedure<B extends object>(
  builder: B,
  options: ProcedureOptions,
  { maxWatchers = 1000, everyMs = 500 }: StatusUpdatesOptions,
): StatusUpdatesProcedure<B> {
  wholeNumber('maxWatchers', maxWatchers, 1_000_000);
  wholeNumber('everyMs', everyMs, 3_600_000);
  const { engine, store } = options.semel;
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
      let told = lastEventId;
      let waitMs = everyMs;
      let id: string | undefined;
      let find = async (): Promise<Sighting | undefined> => first;
      for (;;) {
        const seen = await look(find, told);
        const state = seen?.record?.state;
        if (seen !== undefined) {
          id ??= seen.record?.operationId;
          if (seen.change !== told) {
            told = seen.change;
            waitMs = everyMs;
            yield tracked(seen.change, seen.status ?? notFound(ask));
          }
          // One that was there and is gone, or whose random id nobody knows, won't come any more.
          if (state === undefined ? id !== undefined || 'operationId' in ask : isSettled(state)) return;
        }
        await pause(waitMs, signal);
        if (signal?.aborted) return;
        const undecided = state === 'suspended' || state === 'dead';
        waitMs = Math.min(waitMs * FACTOR, Math.max(everyMs, undecided ? SLOWEST_UNDECIDED_MS : SLOWEST_MS));
        const again = id === undefined ? ask : { operationId: id };
        find = () => ownOperation(store, again, principal);
      }
    } finally {
      watchers--;
    }
  }

  /** `undefined` while the store can't be reached, for whichever part of it: an outage ends no subscription. */
  async function look(
    find: () => Promise<Sighting | undefined>,
    told: string | undefined,
  ): Promise<Seen | undefined> {
    try {
      const found = await find();
      if (found === undefined) return { change: 'none', record: undefined, status: undefined };
      const { record } = found;
      const change = changeOf(record, await engine.progressOf(record));
      if (change === told) return { change, record, status: undefined };
      const status = await statusFrom(engine, found);
      // Progress may have come meanwhile: what counts as told is what is shown.
      return {
        change: changeOf(record, 'progress' in status ? { value: status.progress } : undefined),
        record,
        status,
      };
    } catch (error) {
      if (isStoreUnavailable(error)) return undefined;
      throw error;
    }
  }

  const subscription = plain
    .use(shapeOwnErrors(plain))
    .input(parseAsked)
    .subscription(async ({ ctx, input, signal }: { ctx: unknown; input: Asked; signal?: AbortSignal }) => {
      const principal = options.principalOf(ctx);
      refuseTooMany();
      const first = await reachable(ownOperation(store, input.ask, principal), options.contextOf(ctx));
      return watch(input, principal, first, signal);
    });
  return subscription as StatusUpdatesProcedure<B>;
}

/** The id of what is told, made of it: another one after every transition and every other progress. */
function changeOf(record: OperationRecord, progress: { readonly value: unknown } | undefined): string {
  const { operationId, version } = record;
  if (progress === undefined) return `${operationId}:${version}`;
  const text = JSON.stringify(progress.value);
  return `${operationId}:${version}:${createHash('sha256').update(text).digest('base64url').slice(0, 12)}`;
}

function wholeNumber(name: keyof StatusUpdatesOptions, value: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return;
  throw new TypeError(`statusUpdates: ${name} is a whole number between 1 and ${max}, not ${value}`);
}

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
