import type { TRPCLink } from '@trpc/client';
import type { Carrier } from './adapters/carrier.ts';
import { createFetch } from './adapters/fetch.ts';
import { type BaseHeaders, createHeaders, type SemelHeaders } from './adapters/headers.ts';
import { createLink } from './adapters/link.ts';
import { systemClock } from './clock.ts';
import { createBudget } from './delivery/budget.ts';
import type { Core } from './delivery/send.ts';
import { createEvents, type SemelEventType, type SemelListener } from './events.ts';
import { createActions } from './intent/key.ts';
import type { Journal } from './journal/journal.ts';
import { memoryJournal } from './journal/memory.ts';
import { policyFrom, type SemelClientOptions } from './options.ts';

/** Sends every user action under one key until its outcome is known. */
export interface SemelClient {
  /**
   * The tRPC link. Comes before the terminating link, whose `headers` and `fetch` have to be this client's. Mutations get
   * a key; queries and subscriptions pass untouched, and so does a call with `context: { idempotency: false }`.
   * A key of your own: `context: { idempotencyKey: 'k' }` (or `{ key, ageMs }`, when it was made earlier).
   *
   * Guarantees: all attempts of one call carry one key, which is never renewed, whatever the answer; an aborted signal
   * rejects in the same tick and nothing is sent afterwards; mutations of one tick stay one batch.
   * Doesn't: undo or stop what was sent; survive a reload (the journal's part).
   *
   * Throws, through `mutate`: the server's own `TRPCClientError` if it refuses; else a `TRPCClientError` whose cause is
   * a `SemelClientError` with what is known.
   */
  // biome-ignore lint/suspicious/noExplicitAny: fits the client of every router
  link(options?: { carrier?: Carrier }): TRPCLink<any>;
  /**
   * The `headers` option of `httpLink`, `httpBatchLink` and `httpBatchStreamLink`.
   *
   * With batches set `maxItems: 100`: that many generated keys stay under 4 KB, and proxies limit headers.
   *
   * @param base your own headers, asked for every request
   */
  headers(base?: BaseHeaders): SemelHeaders;
  /** The `fetch` option of tRPC's HTTP links: keeps status and `Retry-After` of answers that aren't tRPC's. */
  fetch: typeof createFetch;
  /** Listens to one type of event; returns what ends it. A throwing listener is ignored. */
  on<TType extends SemelEventType>(type: TType, listener: SemelListener<TType>): () => void;
  /** The journal in use. */
  readonly journal: Journal;
}

/**
 * Makes a client. It holds the retry budget and the journal: one per application, not one per call.
 *
 * @example
 * const semel = createSemelClient();
 * const client = createTRPCClient<AppRouter>({
 *   links: [semel.link(), httpBatchLink({ url, headers: semel.headers(), fetch: semel.fetch(), maxItems: 100 })],
 * });
 */
export function createSemelClient(options: SemelClientOptions = {}): SemelClient {
  const policy = policyFrom(options);
  const clock = options.clock ?? systemClock;
  const events = createEvents(options.onEvent);
  const journal = options.journal ?? memoryJournal();
  const random = options.random ?? Math.random;
  const core: Core = {
    policy,
    clock,
    events,
    random,
    budget: createBudget(policy.retry.budget, random, clock),
    actions: createActions(clock),
    journal,
  };
  return {
    journal,
    link: ({ carrier = 'headers' } = {}) => createLink(core, carrier),
    headers: createHeaders,
    fetch: createFetch,
    on: events.on,
    core,
  } as SemelClient;
}

/** What the functions beside the client work with; not a part of its public face. */
export const coreOf = (semel: SemelClient): Core => (semel as SemelClient & { core: Core }).core;
