/** What a handler is asked to answer with, where a server can be made to. All but the JSON ones need plain HTTP. */
export const ANSWER_KINDS = [
  'created',
  'empty',
  'no-content',
  'null',
  'zero',
  'false',
  'empty-string',
  'text',
  'binary',
  'cookie',
  'redirect',
  'large',
] as const;
export type AnswerKind = (typeof ANSWER_KINDS)[number];

/**
 * How a request is asked to fail. `invalid`: refused by the server's own validation. `refused`: the handler says no for
 * good, with a 4xx, and leaves no effect. `once`: the first run of a reference fails with a 5xx before any effect, later
 * runs succeed. `after-effect`: the handler writes its effect, then fails with a 5xx.
 */
export const FAILURE_KINDS = ['invalid', 'refused', 'once', 'after-effect'] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

/**
 * What the suite wants a request to say. A target turns it into the body that the server understands; by default the
 * body is this object.
 */
export interface Payload {
  /** Names the intended effect, and is new for each case. Effects are counted by it. */
  readonly reference: string;
  /** A positive whole number; another one makes another payload. */
  readonly amount: number;
  /** Needs the capability `slowHandler`: the handler waits so long before its effect. Milliseconds. */
  readonly delayMs?: number;
  /** Needs the capability `memo`: any JSON, which the server takes and ignores. */
  readonly memo?: unknown;
  readonly answer?: AnswerKind;
  readonly failure?: FailureKind;
}
