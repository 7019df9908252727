import { CanonicalError, createProblem, fingerprint, type IdempotencyKey } from '@semel/contract/v1/pure';
import type { Policy } from '../engine/policy.ts';
import { randomId } from '../engine/random-id.ts';
import { IdempotencyError } from './idempotency-error.ts';
import { narrowedScope } from './scope.ts';

export interface Admitted {
  readonly scope: string;
  readonly key: string;
  readonly ageMs: number | undefined;
  readonly fingerprint: string;
}

/**
 * Who asks, for what, and is it the same request? Every parser and guard has passed by now.
 * @throws IdempotencyError `key_missing`, or `key_malformed` for a key that the server's own rules refuse
 * @throws TypeError for a scope that a store can't tell from another
 */
export function admitRequest(options: {
  readonly policy: Policy;
  readonly procedure: string;
  /** Who asks, as authenticated. */
  readonly principal: string;
  readonly key: IdempotencyKey | undefined;
  readonly input: unknown;
  readonly minKeyLength: number;
}): Admitted {
  const { policy, procedure, principal, key, input, minKeyLength } = options;
  if (key !== undefined && key.key.length < minKeyLength) {
    throw new IdempotencyError(createProblem('key_malformed'), {
      reason: `a key has at least ${minKeyLength} characters here; use a random one, for example a UUID`,
    });
  }
  if (key === undefined && policy.key === 'required') {
    throw new IdempotencyError(createProblem('key_missing'), {
      reason:
        'this procedure needs an idempotency key: send Idempotency-Key with a value of your own per intended action',
    });
  }
  const print = fingerprintOf(procedure, policy.pick === undefined ? input : policy.pick(input));
  const scope =
    policy.narrowScope === undefined ? principal : narrowedScope(principal, policy.narrowScope(input));
  // In a database all lone surrogates are one character: two scopes would be the same, and share their answers.
  if (!scope.isWellFormed()) throw new TypeError('A scope has to be well-formed Unicode');
  if (policy.key === 'derived') return { scope, key: print, ageMs: undefined, fingerprint: print };
  // Optional and not sent: it runs as an operation like any other, under a key that nobody can repeat.
  return { scope, key: key?.key ?? `none:${randomId()}`, ageMs: key?.ageMs, fingerprint: print };
}

function fingerprintOf(procedure: string, input: unknown): string {
  try {
    return fingerprint(procedure, input);
  } catch (cause) {
    if (cause instanceof CanonicalError) throw new UnfingerprintableInput(cause);
    throw cause;
  }
}

/** The input has no canonical form (a cycle, a stream, too deep, too large): the caller's mistake, nothing was begun. */
export class UnfingerprintableInput extends Error {
  override readonly name = 'UnfingerprintableInput';
  constructor(cause: CanonicalError) {
    super(`The input can't be fingerprinted: ${cause.message}`, { cause });
  }
}
