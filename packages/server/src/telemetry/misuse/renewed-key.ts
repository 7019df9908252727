import type { Ending } from './ending.ts';
import type { MisuseLimits } from './options.ts';
import type { Entry } from './window-table.ts';

/** One payload of one scope and procedure. */
export interface SeenPayload extends Entry {
  /** Hashes of the keys that it came with lately, round and round; and how many there were. */
  readonly keys: number[];
  count: number;
  distinct: number;
  afterFailure: number;
  inDoubt: number;
  /** The last call with it: its key, how it stands, since when. */
  last: number;
  stands: 'never' | 'running' | Ending;
  at: number;
}

export const newPayload = (): SeenPayload => ({
  since: 0,
  life: 0,
  keys: [0, 0, 0, 0, 0, 0, 0, 0],
  count: 0,
  distinct: 0,
  afterFailure: 0,
  inDoubt: 0,
  last: 0,
  stands: 'never',
  at: 0,
});

export function forgetPayload(payload: SeenPayload): void {
  turnPayload(payload);
  payload.count = 0;
  payload.last = 0;
  payload.stands = 'never';
  payload.at = 0;
}

/** How its last call stands is kept: a retry under a new key may come when that has run for longer than a window. */
export function turnPayload(payload: SeenPayload): void {
  payload.distinct = 0;
  payload.afterFailure = 0;
  payload.inDoubt = 0;
}

/**
 * A client that renews its key on a retry: the double charge that no server can stop. Nobody can see an intent, so the
 * sooner it is told the more the call before must look like one that is being retried: in doubt, failed, or just many.
 *
 * @param key the hash of the key that the payload comes with now
 * @returns how many distinct keys, once they are too many; else 0
 */
export function renewedKey(
  payload: SeenPayload,
  key: number,
  now: number,
  limits: NonNullable<MisuseLimits['renewedKeys']>,
  windowMs: number,
): number {
  const { stands } = payload;
  const forMs = now - payload.at;
  const known = knows(payload, key);
  payload.last = key;
  payload.stands = 'running';
  payload.at = now;
  if (known) return 0;
  payload.keys[payload.count % payload.keys.length] = key;
  payload.count++;
  // Who was told no for good, and wants it all the same, does right to take a new key.
  if (stands !== 'declined') payload.distinct++;
  const recent = forMs < windowMs;
  if (stands === 'running' ? forMs >= limits.runningMs : stands === 'in_doubt' && recent) payload.inDoubt++;
  else if (stands === 'failed' && recent) payload.afterFailure++;
  const { distinct, inDoubt } = payload;
  const unanswered = inDoubt + payload.afterFailure;
  if (inDoubt > 0 && inDoubt + 1 >= limits.inDoubt) return Math.max(distinct, inDoubt + 1);
  if (unanswered > 0 && unanswered + 1 >= limits.afterFailure) return Math.max(distinct, unanswered + 1);
  return distinct >= limits.keys ? distinct : 0;
}

function knows({ keys, count }: SeenPayload, key: number): boolean {
  for (let i = 0; i < count && i < keys.length; i++) if (keys[i] === key) return true;
  return false;
}

/** How the last call with it ended. What another call has come after doesn't matter any more. */
export function payloadEnded(payload: SeenPayload, key: number, ending: Ending, now: number): void {
  if (payload.last !== key) return;
  payload.stands = ending;
  payload.at = now;
}
