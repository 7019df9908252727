import type { Profile } from './profile.ts';

/**
 * Seeds that once found something, and what. A seed means a run only for the simulation as it is: whoever changes what it
 * draws writes a small test of its own for what a seed had found (`found.test.ts`), and keeps the new ones here.
 */
export const KEPT_SEEDS: readonly (readonly [seed: number, once: string, profile?: Profile])[] = [
  [78, 'told that nothing was begun, and a later page sent it'],
  [126, 'told that nothing was begun, and a later page sent it'],
  [9, 'resume() hung on a storage that never answered'],
  [809, 'a call that waited for another tab hung on a storage that never answered'],
  [2400, 'resume() hung on a write that never ended'],
  [2420, 'a call hung on a write that never ended'],
  [1401, 'a retry left a night later than it was begun, with the age that its key had had then', 'nights'],
  [570, 'two tabs were at one accepted operation, and both sent the call again for its answer', 'queued'],
  [
    202,
    'a tab that had finished with an old key woke one that waited for the new key of the same intent',
    'queued',
  ],
];
