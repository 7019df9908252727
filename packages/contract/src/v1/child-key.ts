import { MAX_KEY_LENGTH } from './key.ts';
import { netstring } from './netstring.ts';
import { sha256Base64Url } from './sha256.ts';

/** What a child key is made of. Never an attempt, a random id or a clock. */
export interface ChildKeyParts {
  scope: string;
  procedure: string;
  key: string;
  step: string;
}

/**
 * The key for a call downstream: 43 characters of base64url SHA-256. The same operation asks downstream with the same key
 * for ever; another tenant, procedure, key or step never does. A readable `prefix` may stand before it: characters that a
 * key can't hold become `-`, and it is cut where the whole would pass 255 characters. Uniqueness lies in the hash alone.
 *
 * @throws TypeError for a part with a lone surrogate.
 * @example childKey({ scope: 'tenant-1', procedure: 'payments.create', key: 'order-7', step: 'charge' }, 'charge')
 */
export function childKey(parts: ChildKeyParts, prefix?: string): string {
  const { scope, procedure, key, step } = parts;
  const hash = sha256Base64Url(['semel-child-v1', scope, procedure, key, step].map(netstring).join(''));
  if (!prefix) return hash;
  return `${prefix.replace(/[^!-~]/g, '-').slice(0, MAX_KEY_LENGTH - hash.length - 1)}-${hash}`;
}
