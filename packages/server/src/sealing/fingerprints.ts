import { createHmac, timingSafeEqual } from 'node:crypto';
import { fingerprintVersion } from '@semel/contract/v1/pure';
import { type OperationIdentity, PURGED_FINGERPRINT } from '../store/port.ts';
import type { RingKey, RingKeys } from './key-ring.ts';

/**
 * Plain fingerprints (`v1:<hash>`) are what processes compare. With a key ring the store gets `v1:<keyId>:<hmac>` instead:
 * whoever reads the table can't test guesses of a small input against it. The identity is in the HMAC, so that two
 * operations with one input don't look alike either. It is made from the plain fingerprint: any key of the ring can
 * judge a request without its input.
 */
export type Judgement =
  | 'same'
  | 'other'
  /** Made with a key that is not (or no longer) in the ring, or by an algorithm of a later version: nobody here can say. */
  | 'unreadable'
  /** Erased with the outcome. */
  | 'purged';

/** Whether it was made with a key of a ring: then everything of its operation is sealed. */
export function isKeyed(stored: string): boolean {
  // Asked of every outcome that is stored or replayed: two colons, found without cutting the text up.
  const second = stored.indexOf(':', stored.indexOf(':') + 1);
  return second > 0 && stored.indexOf(':', second + 1) < 0;
}

export function keyed(plain: string, { id, fingerprints }: RingKey, identity: OperationIdentity): string {
  return `v1:${id}:${mac(plain, fingerprints, identity).toString('base64url')}`;
}

/** Whether a stored fingerprint is that of a request (or of a step's input), judged by the key that it names. */
export function judge(
  stored: string,
  plain: string,
  keys: RingKeys | undefined,
  identity: OperationIdentity,
): Judgement {
  if (stored === plain) return 'same';
  if (stored === PURGED_FINGERPRINT) return 'purged';
  // No fingerprint at all: a step that declared no input.
  if (stored === '' || plain === '') return 'other';
  if (fingerprintVersion(stored) !== fingerprintVersion(plain)) return 'unreadable';
  const [, keyId = '', hmac] = stored.split(':');
  if (hmac === undefined) return 'other';
  const key = keys?.get(keyId);
  if (key === undefined) return 'unreadable';
  const given = Buffer.from(hmac, 'base64url');
  const made = mac(plain, key.fingerprints, identity);
  // Constant time: how long a refusal takes must not say how much of the HMAC was guessed.
  return given.length === made.length && timingSafeEqual(given, made) ? 'same' : 'other';
}

function mac(
  plain: string,
  key: RingKey['fingerprints'],
  { scope, procedure, key: k }: OperationIdentity,
): Buffer {
  return createHmac('sha256', key)
    .update(JSON.stringify([scope, procedure, k, plain]))
    .digest();
}
