// biome-ignore-all assist/source/organizeImports: grouped by reader

// Calling: one client per application.
export { createSemelClient, type PendingOperation, type SemelClient } from './client.ts';
export {
  type KeyedFetch,
  type KeyedFetchOptions,
  type KeyedRequestInit,
  keyedFetch,
} from './adapters/keyed-fetch.ts';

// One user action, run as often as it takes; and what a page finds open when it loads.
export type { Intent, IntentParts } from './intent/intent.ts';
export { type Resumed, type ResumeOptions, resume } from './adapters/resume.ts';

// What became of a call: a value, or an exception that carries it.
export {
  HttpAnswerError,
  IntentConflictError,
  type OpenOutcome,
  SemelClientError,
  type SemelClientErrorCode,
} from './errors.ts';
export { outcomeOf } from './adapters/outcome-of.ts';
export type { Outcome, UnknownReason } from './outcome.ts';

// Settings and options.
export type { Carrier } from './adapters/carrier.ts';
export type { Clock } from './clock.ts';
export type { Connectivity } from './presence/connectivity.ts';
export type { Tabs } from './presence/presence.ts';
export type { AcceptedOptions, PollOptions, RetryOptions, SemelClientOptions } from './options.ts';

// Watching.
export type { RetryReason } from './delivery/verdict.ts';
export type { Misuse, SemelEvent, SemelEventType, SemelListener } from './events.ts';

// For those who keep a journal of their own.
export { type Journal, type JournalHost, type JournalRecord, nameOf } from './journal/journal.ts';
export { memoryJournal, type SyncJournal } from './journal/memory.ts';
