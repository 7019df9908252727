import type { OperationIdentity } from '../store/port.ts';
import { isSealed, open, type Place, seal, type Unopened } from './envelope.ts';
import { isKeyed, type Judgement, judge, keyed } from './fingerprints.ts';
import { type KeyRing, keysOf } from './key-ring.ts';

/** The operation that something belongs to. `fingerprint` is the stored one. */
export interface SealedOperation extends OperationIdentity {
  readonly operationId: string;
  readonly fingerprint: string;
}

/**
 * What stands between the engine and what it stores: everything secret passes here on its way to the store and back.
 *
 * An operation is sealed, or plain, as a whole and for its whole life: the form of its stored fingerprint, written with
 * the claim, says which. So a later deployment with another policy, or a ring where there was none, never has to guess.
 */
export interface Sealing {
  /** Whether there is a key ring. */
  readonly configured: boolean;
  /** The form in which a plain fingerprint is stored. @param sealed whether the operation (or the one it belongs to) is */
  fingerprint(plain: string, identity: OperationIdentity, sealed: boolean): string;
  judge(stored: string, plain: string, identity: OperationIdentity): Judgement;
  /** @param name of a step or transaction */
  seal(text: string, operation: SealedOperation, what: Place['what'], name?: string): string;
  /** Never throws. */
  open(
    text: string,
    operation: SealedOperation,
    what: Place['what'],
    name?: string,
  ): { readonly text: string } | { readonly unopened: Unopened };
}

/** @throws KeyRingError */
export function createSealing(ring: KeyRing | undefined): Sealing {
  const keys = ring === undefined ? undefined : keysOf(ring);
  return {
    configured: keys !== undefined,
    fingerprint: (plain, identity, sealed) =>
      keys !== undefined && sealed && plain !== '' ? keyed(plain, keys.current, identity) : plain,
    judge: (stored, plain, identity) => judge(stored, plain, keys, identity),
    seal(text, operation, what, name = '') {
      if (!isKeyed(operation.fingerprint)) return text;
      // Only a process that knows a key of the record gets as far as having something to store for it.
      if (keys === undefined)
        throw new Error('This operation is sealed, and there is no key ring to seal with');
      return seal(text, keys.current, { ...placeOf(operation), what, name });
    },
    open(text, operation, what, name = '') {
      if (isSealed(text)) return open(text, keys, { ...placeOf(operation), what, name });
      // Put there by somebody who can write the table and has no key.
      return isKeyed(operation.fingerprint) ? { unopened: 'unsealed' } : { text };
    },
  };
}

function placeOf({ scope, procedure, key, operationId }: SealedOperation) {
  return { scope, procedure, key, operationId };
}
