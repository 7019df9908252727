import { createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto';

/**
 * The keys that outcomes, step results and queued inputs are sealed under, and fingerprints are made with.
 *
 * @example
 * createSemel({ store, keyRing: { current: 'k2', keys: { k1: oldKey, k2: newKey } } })
 */
export interface KeyRing {
  /** Id of the key that is written with. */
  readonly current: string;
  /**
   * 32 random bytes each, by id: 1 to 32 of `A-Z a-z 0-9 _ . -`, beginning with a letter or digit. The id is stored
   * with what it sealed, so a key keeps its id for ever. Old keys are read with; take one out only when no record names it.
   */
  readonly keys: Readonly<Record<string, Uint8Array>>;
}

/** A key ring that can't protect anything is refused at start, naming the key, never showing its bytes. */
export class KeyRingError extends Error {
  override readonly name = 'KeyRingError';
}

/** One key of the ring as it is used: for each purpose a key of its own, so that neither use says anything about the other. */
export interface RingKey {
  readonly id: string;
  readonly sealing: KeyObject;
  readonly fingerprints: KeyObject;
}

export interface RingKeys {
  readonly current: RingKey;
  get(id: string): RingKey | undefined;
}

const KEY_BYTES = 32;
const KEY_ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/;

/** @throws KeyRingError naming everything that is wrong. */
export function keysOf(ring: KeyRing): RingKeys {
  const problems: string[] = [];
  if (typeof ring?.keys !== 'object' || ring.keys === null) {
    throw new KeyRingError("a key ring is { current: 'k1', keys: { k1: <32 random bytes> } }");
  }
  const entries = Object.entries(ring.keys);
  if (entries.length === 0) problems.push('it has no keys');
  for (const [id, bytes] of entries) problems.push(...problemsOf(id, bytes));
  for (const [index, [id, bytes]] of entries.entries()) {
    const twin = entries.slice(0, index).find(([, other]) => sameBytes(other, bytes));
    if (twin !== undefined) problems.push(`keys '${twin[0]}' and '${id}' have the same bytes`);
  }
  if (typeof ring.current !== 'string' || !Object.hasOwn(ring.keys, ring.current)) {
    problems.push(`current names no key of the ring: it is ${JSON.stringify(ring.current)}`);
  }
  if (problems.length > 0) throw new KeyRingError(`key ring: ${problems.join('; ')}`);

  const keys = new Map(entries.map(([id, bytes]) => [id, ringKey(id, bytes)]));
  return { current: keys.get(ring.current) as RingKey, get: (id) => keys.get(id) };
}

function problemsOf(id: string, bytes: unknown): string[] {
  const problems: string[] = [];
  if (!KEY_ID.test(id)) {
    problems.push(
      `the id ${JSON.stringify(id)} is not 1 to 32 of A-Z a-z 0-9 _ . -, beginning with a letter or digit`,
    );
  }
  if (!(bytes instanceof Uint8Array)) {
    const found = bytes === null ? 'null' : typeof bytes;
    problems.push(
      `key '${id}' is no Uint8Array but ${found}: decode it first, for example Buffer.from(text, 'base64')`,
    );
  } else if (bytes.length !== KEY_BYTES) {
    problems.push(
      `key '${id}' has ${bytes.length} bytes, not ${KEY_BYTES}: make one with openssl rand -base64 32`,
    );
  } else if (bytes.every((byte) => byte === bytes[0])) {
    problems.push(`key '${id}' is one byte 32 times: make a random one with openssl rand -base64 32`);
  }
  return problems;
}

const sameBytes = (a: unknown, b: unknown): boolean =>
  a instanceof Uint8Array && b instanceof Uint8Array && a.length === b.length && timingSafeEqual(a, b);

/** HKDF-SHA256 with a label for each purpose. Key objects: their bytes show up in no log and no inspection. */
function ringKey(id: string, bytes: Uint8Array): RingKey {
  const derived = (label: string): KeyObject =>
    createSecretKey(new Uint8Array(hkdfSync('sha256', bytes, new Uint8Array(0), label, KEY_BYTES)));
  return { id, sealing: derived('semel v1 sealing'), fingerprints: derived('semel v1 fingerprints') };
}
