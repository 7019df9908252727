import { onThreads, type Tally } from './seed-threads.ts';

/** Many seeds on as many threads. `told`: operations of which somebody got a final answer. */
export const manySeeds = (
  from: number,
  count: number,
  { queued = false, threads = 2 } = {},
): Promise<Tally<'told'>> =>
  onThreads(new URL('./seeds.worker.ts', import.meta.url), from, count, { queued }, threads);
