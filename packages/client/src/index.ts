// biome-ignore-all assist/source/organizeImports: grouped by reader

// Calling: one client per application.
export { createSemelClient, type SemelClient } from './client.ts';
export { type KeyedFetch, type KeyedRequestInit, keyedFetch } from './adapters/keyed-fetch.ts';

// What became of a call: a value, or an exception that carries it.
export { HttpAnswerError, type OpenOutcome, SemelClientError, type SemelClientErrorCode } from './errors.ts';
export { outcomeOf } from './adapters/outcome-of.ts';
export type { Outcome, UnknownReason } from './outcome.ts';

// Settings and options.
export type { Carrier } from './adapters/carrier.ts';
export type { Clock } from './clock.ts';
export type { AcceptedOptions, PollOptions, RetryOptions, SemelClientOptions } from './options.ts';

// Watching.
export type { RetryReason } from './delivery/verdict.ts';
export type { SemelEvent, SemelEventType, SemelListener } from './events.ts';

// For those who keep a journal of their own.
export type { Journal, JournalRecord } from './journal/journal.ts';
export { memoryJournal, type SyncJournal } from './journal/memory.ts';
