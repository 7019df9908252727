import type { Outcome, UnknownReason } from './outcome.ts';

/** Looks for a branded error in a chain of causes: tRPC wraps whatever a link or a fetch throws. */
function find<T>(value: unknown, brand: string): T | undefined {
  for (let depth = 0, error = value as { semel?: string; cause?: unknown }; error && depth < 6; depth++) {
    if (error.semel === brand) return error as T;
    error = error.cause as typeof error;
  }
  return undefined;
}

/** Outcomes that no answer of the handler stands for. */
export type OpenOutcome = Extract<Outcome<unknown>, { status: 'in_flight' | 'unknown' | 'accepted' }>;

export type SemelClientErrorCode = 'in_flight' | 'accepted' | UnknownReason;

/**
 * Thrown when a call ends without a definite answer. `outcome` says what is known and carries the key to ask
 * again with. tRPC wraps it: what `mutate()` throws is a `TRPCClientError` with this as its cause, so read it with
 * `SemelClientError.from(error)`.
 */
export class SemelClientError extends Error {
  /** Recognised across duplicate copies of this package. */
  readonly semel = 'SemelClientError';
  readonly code: SemelClientErrorCode;
  readonly outcome: OpenOutcome;

  constructor(outcome: OpenOutcome) {
    const code = outcome.status === 'unknown' ? outcome.reason : outcome.status;
    super(`${code}: no definite answer`, {
      cause: outcome.status === 'accepted' ? undefined : outcome.cause,
    });
    this.name = this.semel;
    this.code = code;
    this.outcome = outcome;
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
export class HttpAnswerError extends Error {
  readonly semel = 'HttpAnswerError';
  readonly status: number;
  readonly headers: Headers;
  /** The body as text. */
  readonly body: string;

  constructor(status: number, headers: Headers, body: string) {
    super(`HTTP ${status}`);
    this.name = this.semel;
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  /** This error, or the one that a `TRPCClientError` wraps; `undefined` for all else. */
  static from(value: unknown): HttpAnswerError | undefined {
    return find(value, 'HttpAnswerError');
  }
}
