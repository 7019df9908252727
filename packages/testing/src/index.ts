/** For authors of a store: the suite that shows whether it keeps the promises of the port, and what it asks for. */
export { describeStore } from './store/describe-store.ts';
export type { OpenedStore, StoreHarness } from './store/harness.ts';
