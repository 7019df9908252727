import { onThreads, type Tally } from './engine.ts';
import type { Profile } from './profile.ts';

/** Many seeds of a profile on two threads. `effects`: at the shop. */
export const manySeeds = (from: number, count: number, profile: Profile): Promise<Tally<'effects'>> =>
  onThreads(new URL('./seeds.worker.ts', import.meta.url), from, count, { profile });
