import type { TRPCLink } from '@trpc/client';
import type { Carrier } from './adapters/carrier.ts';
import { createFetch } from './adapters/fetch.ts';
import { type BaseHeaders, createHeaders, type SemelHeaders } from './adapters/headers.ts';
import { createLink } from './adapters/link.ts';
import { type Core, createCore } from './delivery/core.ts';
import type { SemelEventType, SemelListener } from './events.ts';
import { createIntent, type Intent, type IntentParts } from './intent/intent.ts';
import { ownerOf, recordsOf } from './journal/book.ts';
import { type Journal, type JournalRecord, nameOf } from './journal/journal.ts';
import type { SemelClientOptions } from './options.ts';

/** An action whose outcome isn't known. */
export interface PendingOperation extends JournalRecord {
  /** This page is working on it. */
  readonly live: boolean;
}

/** Sends every user action under one key until its outcome is known. */
export interface SemelClient {
  /**
   * The tRPC link. Comes before the terminating link, whose `headers` and `fetch` have to be this client's. Mutations get
   * a key; queries and subscriptions pass untouched, and so does a call with `context: { idempotency: false }`.
   * A key of your own: `context: { idempotencyKey: 'k' }` (or `{ key, ageMs }`, when it was made earlier). What the user
   * wants done: `context: { intent }`. A call that a page brings back after a reload: `context: { resume: true }`.
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
  /**
   * Names what a user wants done: the same name and parts are the same intent, in every tab and after a reload, as far as
   * the journal reaches. Costs nothing until it's run.
   *
   * @throws TypeError for a part that is `undefined`, `null` or `NaN`
   *
   * @example
   * const pay = semel.intent('checkout', [cartId]);
   * await client.orders.create.mutate(order, { context: { intent: pay } });
   */
  intent(name: string, parts?: IntentParts): Intent;
  /** What isn't settled, of the present scope and deployment, oldest first. */
  pending(): Promise<PendingOperation[]>;
  /** Strikes a record out, whatever became of the action: its intent's next run is a new one. */
  forget(record: JournalRecord): Promise<void>;
  /** Strikes out all records of the present scope: for a logout. What is under way goes on, unrecorded. */
  purge(): Promise<void>;
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
  const core = createCore(options);
  const { journal, events, live } = core;
  journal.attach?.({
    required: core.durability === 'required',
    report: (error, { path = '', key = '' } = {} as JournalRecord) =>
      events.emit({ type: 'journal_error', path, key, error }),
  });
  const client: SemelClient & { core: Core } = {
    journal,
    link: (options) => createLink(core, options?.carrier === 'envelope'),
    headers: createHeaders,
    fetch: createFetch,
    on: events.on,
    intent: (name, parts) => createIntent(core, name, parts),
    async pending() {
      const open = (await recordsOf(core)).filter(({ state }) => state !== 'completed');
      return open.map((record) => ({ ...record, live: live.has(nameOf(record)) }));
    },
    forget: async (record) => journal.settle(record),
    async purge() {
      for (const record of await journal.list()) {
        if (record.scope === ownerOf(core).scope) await journal.settle(record);
      }
    },
    core,
  };
  return client;
}

/** What the functions beside the client work with; not a part of its public face. */
export const coreOf = (semel: SemelClient): Core => (semel as SemelClient & { core: Core }).core;
