import type { WatchedResult } from './ending.ts';
import type { MisuseLimits } from './options.ts';
import type { SeenCaller } from './seen-caller.ts';
import type { SeenKey } from './seen-key.ts';

type Limits = NonNullable<MisuseLimits['replayStorms']>;

/** One key over and over. Replays are cheap, but a loop is a bug. @returns how many calls, once too many; else 0 */
export const keyStorm = (key: SeenKey, limits: Limits): number => (key.calls >= limits.calls ? key.calls : 0);

/** Many keys that have all been answered before: a file or a queue is sent anew. @returns how many, once too many; else 0 */
export function callerStorm(caller: SeenCaller, result: WatchedResult | undefined, limits: Limits): number {
  if (result?.replayed !== true) return 0;
  caller.replays++;
  return caller.replays >= limits.replays ? caller.replays : 0;
}
