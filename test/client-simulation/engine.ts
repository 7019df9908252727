// The parts of the engine's own simulation that this one is made of: the same world, the same chance, the same lines.
export {
  createFakeQueue,
  type FakeQueue,
} from '../../packages/server/src/testing/simulation/fake-queue.ts';
export {
  createExchange,
  createWeather,
} from '../../packages/server/src/testing/simulation/link.ts';
export { createProvider, type Provider } from '../../packages/server/src/testing/simulation/provider.ts';
export {
  onThreads,
  runPart,
  type Tally,
} from '../../packages/server/src/testing/simulation/seed-threads.ts';
export { type StoreWire, storeAcross } from '../../packages/server/src/testing/simulation/store-wire.ts';
export { takeOverTime } from '../../packages/server/src/testing/simulation/virtual-time.ts';
export {
  createWorld,
  newOwner,
  type Owner,
  type World,
} from '../../packages/server/src/testing/simulation/world.ts';
