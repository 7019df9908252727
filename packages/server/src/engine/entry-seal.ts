import type { Sealing } from '../sealing/sealing.ts';
import { checksum, type EntrySeal } from '../store/layer-entry.ts';

/**
 * With a key ring what layers keep is signed by its HMAC, so that who can write to them and has no key can't put words into
 * anybody's mouth. The label keeps these apart from fingerprints, which are hashes and hold no NUL.
 */
export function entrySeal(sealing: Sealing): EntrySeal {
  if (!sealing.configured) return checksum;
  const labelled = (text: string): string => `v1:layer\0${text}`;
  return {
    sign: (text, identity) => sealing.fingerprint(labelled(text), identity, true),
    holds: (seal, text, identity) => sealing.judge(seal, labelled(text), identity) === 'same',
  };
}
