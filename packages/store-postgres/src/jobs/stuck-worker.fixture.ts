// A worker that says which job it got and never ends with it. Run as a child, to be killed.
import { createPgBossJobs } from './pg-boss-jobs.ts';

const [connection = '', schema = '', queue = ''] = process.argv.slice(2);
const jobs = createPgBossJobs({ connection, schema, queue });
await jobs.consume(
  async (job) => {
    process.send?.(job);
    await new Promise(() => {});
  },
  { concurrency: 1 },
);
process.send?.({ ready: true });
