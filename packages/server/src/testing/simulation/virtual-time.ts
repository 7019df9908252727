import { type Due, EPOCH, type World } from './world.ts';

// The engine takes its time from these globals. Inside a run they belong to the run's world, and each process in it sees
// its own clocks.
const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  dateNow: Date.now,
  random: Math.random,
};

interface Handle {
  readonly due: Due;
  unref(): Handle;
  ref(): Handle;
}

/** @returns what gives the real ones back */
export function takeOverTime(world: World): () => void {
  const owner = () => world.current;
  const setVirtual = (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): Handle => {
    // As in Node: never sooner than a millisecond.
    const handle: Handle = {
      due: world.after(Math.max(1, ms), owner(), () => run(...args)),
      unref: () => handle,
      ref: () => handle,
    };
    return handle;
  };
  const clearVirtual = (handle: Handle | undefined): void => {
    if (handle?.due !== undefined) world.cancel(handle.due);
  };
  globalThis.setTimeout = setVirtual as unknown as typeof setTimeout;
  globalThis.clearTimeout = clearVirtual as unknown as typeof clearTimeout;
  performance.now = () => 10_000 + world.now() + (owner()?.monotonicOffset ?? 0);
  Date.now = () => EPOCH + Math.floor(world.now() + (owner()?.wallOffset ?? 0));
  Math.random = () => world.random.next();

  return () => {
    globalThis.setTimeout = real.setTimeout;
    globalThis.clearTimeout = real.clearTimeout;
    Date.now = real.dateNow;
    Math.random = real.random;
    // The instance's own property hides the prototype's.
    delete (performance as { now?: unknown }).now;
  };
}
