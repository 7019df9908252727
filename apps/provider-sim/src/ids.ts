import { createHash, randomBytes } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Makes an id such as `pi_3f…` (24 characters after the prefix). */
export type MakeId = (prefix: string) => string;

/**
 * Ids that look like Stripe's.
 * @param seed the same seed gives the same ids in the same order; without one they are random
 * @param epoch something that differs after each restart on the same data, so that no id comes twice
 */
export function createIds(seed: string | undefined, epoch: number): MakeId {
  const secret = seed ?? randomBytes(16).toString('hex');
  let made = 0;
  return (prefix) => {
    const bytes = createHash('sha256').update(`${secret}:${epoch}:${made++}`).digest().subarray(0, 24);
    return `${prefix}_${[...bytes].map((byte) => ALPHABET[byte % 62]).join('')}`;
  };
}
