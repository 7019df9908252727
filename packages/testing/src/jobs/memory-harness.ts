import { createMemoryJobs, type Jobs, type MemoryTransaction } from '@semel/server/store';
import type { JobsHarness } from './harness.ts';

export type MakeJobs = () => Jobs<MemoryTransaction>;

/** For tests of the suite itself: the queue in memory, or one made from it. */
export function createMemoryJobsHarness(
  make: MakeJobs = () => createMemoryJobs({ againMs: 5 }),
): JobsHarness<MemoryTransaction> {
  return {
    async open() {
      const jobs = make();
      return {
        jobs,
        async transaction(body) {
          const committing: (() => void)[] = [];
          const written = new Map<string, unknown>();
          const result = await body({
            get: (key) => written.get(key),
            set: (key, value) => void written.set(key, value),
            onCommit: (done) => void committing.push(done),
          });
          for (const done of committing) done();
          return result;
        },
        close: () => jobs.close(),
      };
    },
  };
}
