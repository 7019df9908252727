/** An HTTP answer before it is sent. */
export interface Answer {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Stripe's error types, as far as the simulator has reason to use them. */
export type ErrorType = 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error';

interface ErrorFields {
  readonly code?: string;
  readonly param?: string;
  readonly decline_code?: string;
  readonly payment_intent?: object;
}

/**
 * An answer in Stripe's error shape. `Stripe-Should-Retry` says what the client's own retries shall do: `true`
 * where the same request with the same key may do better (nothing happened, or it is still happening).
 */
export const errorAnswer = (
  status: number,
  type: ErrorType,
  message: string,
  fields: ErrorFields = {},
): Answer => ({
  status,
  body: { error: { type, message, ...fields } },
  headers: { 'stripe-should-retry': String(status === 409 || status === 429 || status >= 500) },
});

export const missingParam = (param: string): Answer =>
  errorAnswer(400, 'invalid_request_error', `Missing required param: ${param}.`, {
    code: 'parameter_missing',
    param,
  });

export const noSuch = (kind: string, id: string): Answer =>
  errorAnswer(404, 'invalid_request_error', `No such ${kind}: '${id}'`, {
    code: 'resource_missing',
    param: 'id',
  });

/** Stops an operation with an error answer; nothing has been changed. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly answer: Answer;
  /**
   * Stripe keeps the answer under the idempotency key once the endpoint began to execute (an object in the wrong
   * state), but not if the request was refused before that (a malformed parameter, an unknown id).
   */
  readonly isKept: boolean;
  constructor(answer: Answer, isKept = false) {
    super(`refused with ${answer.status}`);
    this.answer = answer;
    this.isKept = isKept;
  }
}
