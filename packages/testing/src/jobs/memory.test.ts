import { describeJobs } from './describe-jobs.ts';
import { createMemoryJobsHarness } from './memory-harness.ts';

describeJobs('the queue in memory', createMemoryJobsHarness());
