/** For authors of a store: the suite that shows whether it keeps the promises of the port, and what it asks for. */

/** For owners of a server: the suite that shows, from outside, whether it keeps the contract. */
export type { Capabilities } from './contract/capabilities.ts';
export { type DescribeIdempotencyOptions, describeIdempotency } from './contract/describe-idempotency.ts';
export type { Payload } from './contract/payload.ts';
export type { ContractTarget, HeaderLines } from './contract/target.ts';
export { describeStore } from './store/describe-store.ts';
export type { OpenedStore, StoreHarness } from './store/harness.ts';
