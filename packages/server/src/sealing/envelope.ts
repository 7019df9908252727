import { createCipheriv, createDecipheriv, createHmac, randomFillSync } from 'node:crypto';
import type { RingKey, RingKeys } from './key-ring.ts';

/**
 * A sealed text: `sealed1:<keyId>:<base64url>`, the bytes being a random nonce (12), the AES-256-GCM ciphertext, and its
 * tag (16). No serialised outcome begins so (they are JSON), so each row says itself whether it is sealed.
 *
 * Each operation is sealed under a key of its own, derived from the ring's by its id: GCM with random nonces is good for
 * 2^32 messages a key, which a busy system would pass within days; an operation has a handful.
 */
const MARK = 'sealed1:';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What a text belongs to. Bound to it: a row that was copied elsewhere, or given another name, doesn't open. */
export interface Place {
  readonly what: 'outcome' | 'step' | 'transaction' | 'input' | 'error' | 'progress';
  readonly scope: string;
  readonly procedure: string;
  readonly key: string;
  readonly operationId: string;
  /** Of a step or transaction; otherwise empty. */
  readonly name: string;
}

/** Why a text doesn't open. */
export type Unopened =
  /** It names a key that is not (or no longer) in the ring, or there is no ring. */
  | 'unknown_key'
  /** It was changed, or it is another row's. */
  | 'altered'
  /** It is plain where it must be sealed. */
  | 'unsealed';

export const isSealed = (text: string): boolean => text.startsWith(MARK);

export function seal(text: string, key: RingKey, place: Place): string {
  const nonce = nextNonce();
  const cipher = createCipheriv('aes-256-gcm', operationKey(key, place), nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(boundTo(key, place));
  const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `${MARK}${key.id}:${sealed.toString('base64url')}`;
}

/** The text, or why not. Never throws. */
export function open(
  envelope: string,
  keys: RingKeys | undefined,
  place: Place,
): { readonly text: string } | { readonly unopened: Unopened } {
  const colon = envelope.indexOf(':', MARK.length);
  const key = colon < 0 ? undefined : keys?.get(envelope.slice(MARK.length, colon));
  if (key === undefined) return { unopened: colon < 0 ? 'altered' : 'unknown_key' };
  const encoded = envelope.slice(colon + 1);
  const sealed = Buffer.from(encoded, 'base64url');
  // Decoding passes over what it doesn't know; only the one text that was written is taken.
  if (sealed.length < NONCE_BYTES + TAG_BYTES || sealed.toString('base64url') !== encoded) {
    return { unopened: 'altered' };
  }
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const end = sealed.length - TAG_BYTES;
  try {
    const decipher = createDecipheriv('aes-256-gcm', operationKey(key, place), nonce, {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(boundTo(key, place));
    decipher.setAuthTag(sealed.subarray(end));
    const text = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, end)), decipher.final()]);
    return { text: text.toString('utf8') };
  } catch {
    return { unopened: 'altered' };
  }
}

/** One step of HKDF's expansion; the ring's sealing key is its output already. */
const operationKey = ({ sealing }: RingKey, { operationId }: Place): Buffer =>
  createHmac('sha256', sealing).update(`semel v1 operation\0${operationId}\x01`).digest();

/** JSON: no two lists of parts make one text. */
const boundTo = ({ id }: RingKey, { what, scope, procedure, key, operationId, name }: Place): Buffer =>
  Buffer.from(JSON.stringify([MARK, id, what, scope, procedure, key, operationId, name]));

// Random bytes are drawn 256 nonces at once: each draw crosses into native code.
const nonces = new Uint8Array(NONCE_BYTES * 256);
let used = nonces.length;

function nextNonce(): Uint8Array {
  if (used === nonces.length) {
    randomFillSync(nonces);
    used = 0;
  }
  used += NONCE_BYTES;
  return nonces.slice(used - NONCE_BYTES, used);
}
