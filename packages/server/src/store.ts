/** For authors of stores: the port, and what a store of record must promise. `@semel/testing` checks it. */

export { createMemoryStore, type MemoryTransaction } from './store/memory.ts';
export * from './store/port.ts';
