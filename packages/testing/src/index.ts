/** For authors of a store: the suite that shows whether it keeps the promises of the port, and what it asks for. */

/** For owners of a server: the suite that shows, from outside, whether it keeps the contract. */
export type { Capabilities } from './contract/capabilities.ts';
export { type DescribeIdempotencyOptions, describeIdempotency } from './contract/describe-idempotency.ts';
export type { Payload } from './contract/payload.ts';
export type { ContractTarget, HeaderLines } from './contract/target.ts';
/** For authors of what carries jobs to workers: its suite, and what that asks for. */
export { describeJobs } from './jobs/describe-jobs.ts';
export type { JobsHarness, OpenedJobs, StuckWorker } from './jobs/harness.ts';
/** For authors of a journal: the suite that shows whether a client can rely on it. */
export { describeJournal } from './journal/describe-journal.ts';
export type { JournalPort, MakeJournal, OpenedJournal, SuiteRecord } from './journal/harness.ts';
export { describeStore } from './store/describe-store.ts';
export type { OpenedStore, StoreHarness } from './store/harness.ts';
