import type { JournalRecord } from './journal/journal.ts';
import type { Outcome, UnknownReason } from './outcome.ts';

/** An error with members and a brand, by which it's recognised across duplicate copies of this package. */
class Branded extends Error {
  constructor(semel: string, message: string, members: object, options?: unknown) {
    super(message, options as ErrorOptions);
    Object.assign(this, members, { name: semel, semel });
  }
}

/** Looks for a branded error in a chain of causes: tRPC wraps whatever a link or a fetch throws. */
// biome-ignore lint/suspicious/noExplicitAny: anything may have been thrown
const find = (error: any, brand: string, depth = 0): any =>
  error?.semel === brand ? error : error && depth < 5 ? find(error.cause, brand, depth + 1) : undefined;

/** Outcomes that no answer of the handler stands for. */
export type OpenOutcome = Extract<Outcome<unknown>, { status: 'in_flight' | 'unknown' | 'accepted' }>;

export type SemelClientErrorCode = 'in_flight' | 'accepted' | UnknownReason;

/**
 * Thrown when a call ends without a definite answer. `outcome` says what is known and carries the key to ask
 * again with. tRPC wraps it: what `mutate()` throws is a `TRPCClientError` with this as its cause, so read it with
 * `SemelClientError.from(error)`.
 */
export class SemelClientError extends Branded {
  /** Recognised across duplicate copies of this package. */
  declare readonly semel: 'SemelClientError';
  declare readonly code: SemelClientErrorCode;
  declare readonly outcome: OpenOutcome;

  constructor(outcome: OpenOutcome) {
    const code = outcome.status === 'unknown' ? outcome.reason : outcome.status;
    // Its cause is the outcome's.
    super('SemelClientError', `${code}: no definite answer`, { code, outcome }, outcome);
  }

  /** Whether a value is this error itself. */
  static is(value: unknown): value is SemelClientError {
    return (value as SemelClientError | undefined)?.semel === 'SemelClientError';
  }

  /** This error, or the one that a `TRPCClientError` wraps; `undefined` for all else. */
  static from(value: unknown): SemelClientError | undefined {
    return find(value, 'SemelClientError');
  }
}

/**
 * An HTTP answer that isn't the protocol's: a proxy's HTML page, an empty 500, a gateway's JSON. tRPC alone would
 * lose its status and headers.
 */
export class HttpAnswerError extends Branded {
  declare readonly semel: 'HttpAnswerError';
  declare readonly status: number;
  declare readonly headers: Headers;
  /** The body as text. */
  declare readonly body: string;

  constructor(status: number, headers: Headers, body: string) {
    super('HttpAnswerError', `HTTP ${status}`, { status, headers, body });
  }

  /** This error, or the one that a `TRPCClientError` wraps; `undefined` for all else. */
  static from(value: unknown): HttpAnswerError | undefined {
    return find(value, 'HttpAnswerError');
  }
}

/**
 * An intent was run with another input than the first time. Nothing was sent: under its key the server would refuse it,
 * and under a new one the first might happen as well. Run it with its first input to learn what became of that (or
 * `resume`); then `await intent.next()` makes the next run a new action. `next({ force: true })` gives the first one up,
 * whatever became of it.
 */
export class IntentConflictError extends Branded {
  declare readonly semel: 'IntentConflictError';
  declare readonly code: 'intent_conflict';
  declare readonly intent: string;
  /** The action that stands in the way. */
  declare readonly record: JournalRecord;

  constructor(record: JournalRecord) {
    const code = 'intent_conflict';
    super('IntentConflictError', `${code}: settle the first, then next()`, {
      code,
      intent: record.intent,
      record,
    });
  }

  /** This error, or the one that a `TRPCClientError` wraps; `undefined` for all else. */
  static from(value: unknown): IntentConflictError | undefined {
    return find(value, 'IntentConflictError');
  }
}
