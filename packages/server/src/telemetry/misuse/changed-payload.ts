import type { WatchedResult } from './ending.ts';
import type { MisuseLimits } from './options.ts';
import type { SeenCaller } from './seen-caller.ts';

/**
 * One key with another payload than before, as the store of record says it: it remembers longer than any table here, and
 * what a policy allows (`mismatch: 'replay'`) is none. Once is a form that was edited; again and again is a payload that
 * changes by itself (a timestamp, a random id), or one key for everything.
 *
 * @returns how many, once they are too many; else 0
 */
export function changedPayload(
  caller: SeenCaller,
  result: WatchedResult | undefined,
  limits: NonNullable<MisuseLimits['changedPayloads']>,
): number {
  if (result?.problem?.code !== 'key_reused') return 0;
  caller.changed++;
  return caller.changed >= limits.calls ? caller.changed : 0;
}
