import type { AcceptedBody, IdempotencyKey } from '@semel/contract/v1/pure';

// What the client writes and reads of the contract. The contract's own functions also parse, validate and explain, and
// bring that along into every bundle; these do no more than is needed here, and a test compares the two.

/** @throws TypeError for a key that isn't 1 to 255 characters of visible ASCII */
export function assertKey(key: string): void {
  if (typeof key !== 'string' || !/^[!-~]{1,255}$/.test(key)) {
    throw new TypeError('key_malformed: not 1 to 255 characters of visible ASCII');
  }
}

/** The headers of a request of one call, or of a batch in its order; a call without a key is `?0` in it. */
export const keyHeaders = (keys: readonly (IdempotencyKey | undefined)[]): Record<string, string> => ({
  [keys.length > 1 ? 'Idempotency-Keys' : 'Idempotency-Key']: keys.map(memberOf).join(', '),
  'Idempotency-Contract': '1',
});

/** A quoted string of a structured field; the age in whole seconds, up to the largest integer of one. */
const memberOf = (sent: IdempotencyKey | undefined): string =>
  sent
    ? `"${sent.key.replace(/["\\]/g, '\\$&')}"${sent.ageMs ? `;age=${Math.min(sent.ageMs / 1000, 1e15 - 1)}` : ''}`
    : '?0';

/** The header that names the operation of an answer. */
export const OPERATION = 'Idempotency-Operation';
/** The header that marks replayed calls. */
export const REPLAYED = 'Idempotency-Replayed';

/** The body of a 202, or `undefined` for every other output. */
// biome-ignore lint/suspicious/noExplicitAny: it is what came over the wire
export const acceptedIn = (output: any): AcceptedBody | undefined =>
  output?.$idempotency === 'accepted' && output.operationId && output.pollAfterMs >= 0 ? output : undefined;
