import { type Clock, systemClock } from './clock.ts';
import type { SemelEvent } from './events.ts';
import type { Journal } from './journal/journal.ts';
import { memoryJournal } from './journal/memory.ts';
import { type Connectivity, systemConnectivity } from './presence/connectivity.ts';
import type { Tabs } from './presence/presence.ts';

/** Sending again after a failure. Every attempt of one call carries the same key. */
export interface RetryOptions {
  /** Failed attempts before giving up, the first one included. @default 5 */
  maxAttempts: number;
  /** Wait before attempt n: uniform in 0 … min(capMs, baseMs · 2^(n−1)). @default 250 */
  baseMs: number;
  /** @default 20_000 */
  capMs: number;
  /** An attempt without an answer by then counts as failed. @default 15_000 */
  attemptTimeoutMs: number;
  /** For the whole call, waiting for an operation in flight included. @default 60_000 */
  deadlineMs: number;
  /** A longer `Retry-After` ends the call instead of sleeping on it. @default 60_000 */
  maxRetryAfterMs: number;
  /** Shared by all calls of a client: a retry costs 1 (of a whole batch too), a success gives `refillPerSuccess` back. @default 10, 0.1 */
  budget: { max: number; refillPerSuccess: number };
}

/** Asking again while another attempt holds the operation. Not charged to attempts or budget. */
export interface PollOptions {
  /** @default 150 */
  firstMs: number;
  /** @default 1.6 */
  factor: number;
  /** @default 2_000 */
  capMs: number;
}

/** What to do with a 202. */
export interface AcceptedOptions {
  /** Poll until it's settled, and resolve with the handler's own output. @default true */
  wait: boolean;
  /** How long `wait` polls. @default 600_000 */
  deadlineMs: number;
}

/** Options of `createSemelClient`; all have defaults. */
export interface SemelClientOptions {
  retry?: Partial<RetryOptions>;
  inFlight?: Partial<PollOptions>;
  accepted?: Partial<AcceptedOptions>;
  /** Path of the status query. @default 'idempotency.status' */
  statusPath?: string;
  /** Where calls are written down before they are sent. @default memoryJournal() */
  journal?: Journal;
  /**
   * Whose actions these are: an opaque id of the signed-in user, asked for at every call. Records of another scope are
   * never resumed.
   */
  scope?: string | (() => string | undefined);
  /** Which server they are for, where one browser storage meets several. Records of another are never resumed. */
  deployment?: string;
  /** How long the server remembers a key; nothing older is sent blindly. @default 86_400_000 */
  retentionMs?: number;
  /** Whether a call's input may be written down too, so that it can be sent again after a reload. @default () => false */
  persistInput?: (path: string) => boolean;
  /** `required`: what the journal can't write down isn't sent, but rejected. @default 'best-effort' */
  durability?: 'best-effort' | 'required';
  /** Lets the tabs of one browser wait for each other: `browserTabs()` of `@semel/client/tabs`. */
  tabs?: Tabs;
  /** @default navigator.onLine and the `online` event */
  connectivity?: Connectivity;
  clock?: Clock;
  /** Uniform in 0 … 1. @default Math.random */
  random?: () => number;
  /** Gets every event; what it throws is swallowed. */
  onEvent?: (event: SemelEvent) => void;
}

/** The options with their defaults filled in. */
export interface Settings extends SemelClientOptions {
  readonly retry: RetryOptions;
  readonly inFlight: PollOptions;
  readonly accepted: AcceptedOptions;
  readonly statusPath: string;
  readonly journal: Journal;
  readonly retentionMs: number;
  readonly connectivity: Connectivity;
  readonly clock: Clock;
  readonly random: () => number;
}

export const settingsFrom = (options: SemelClientOptions): Settings => ({
  ...withDefaults(options, {
    statusPath: 'idempotency.status',
    journal: memoryJournal(),
    retentionMs: 86_400_000,
    connectivity: systemConnectivity,
    clock: systemClock,
    random: Math.random,
  }),
  retry: withDefaults(options.retry, {
    maxAttempts: 5,
    baseMs: 250,
    capMs: 20_000,
    attemptTimeoutMs: 15_000,
    deadlineMs: 60_000,
    maxRetryAfterMs: 60_000,
    budget: { max: 10, refillPerSuccess: 0.1 },
  }),
  inFlight: withDefaults(options.inFlight, { firstMs: 150, factor: 1.6, capMs: 2_000 }),
  accepted: withDefaults(options.accepted, { wait: true, deadlineMs: 600_000 }),
});

/** What is given as `undefined` isn't given. */
function withDefaults<TGiven extends object, TDefaults extends object>(
  given: TGiven | undefined,
  defaults: TDefaults,
): TGiven & TDefaults {
  const all = { ...defaults } as TGiven & TDefaults;
  for (const name in given)
    if (given[name] !== undefined) all[name] = given[name] as (typeof all)[typeof name];
  return all;
}
