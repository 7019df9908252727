/** For authors of stores: the port, and what a store of record must promise. `@semel/testing` checks it. */

// The store of record.

export * from './store/decision-port.ts';
export { createMemoryStore, type MemoryTransaction } from './store/memory.ts';
export * from './store/port.ts';
export * from './store/queue-port.ts';

// For authors of queues: the port of what carries jobs to workers.

export { createMemoryJobs, type MemoryJobsOptions } from './jobs/memory-jobs.ts';
export * from './jobs/port.ts';

// For authors of layers in front of it, and for tests of them.

export * from './store/layer.ts';
export { checksum, type SettledEntry } from './store/layer-entry.ts';
export { layeredStore } from './store/layered.ts';
export { createLayers, type Layers, type LayersOptions } from './store/layers.ts';
