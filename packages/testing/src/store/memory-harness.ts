import { createMemoryStore, type MemoryTransaction } from '@semel/server/store';
import type { StoreHarness } from './harness.ts';

export type MemoryStore = ReturnType<typeof createMemoryStore>;
export type MakeStore = (clock: () => number) => MemoryStore;

/** For tests of the suite itself: the memory store, or one made from it, on a clock that stands still between travels. */
export function createMemoryHarness(
  make: MakeStore = (clock) => createMemoryStore({ clock }),
): StoreHarness<MemoryTransaction> {
  return {
    async open() {
      let now = 1_800_000_000_000;
      let writes = 0;
      const store = make(() => now);
      const written = (label: string) =>
        [...store.committed.keys()].filter((key) => key.startsWith(`${label}#`));
      return {
        store,
        effects: {
          write: async (tx, label) => tx.set(`${label}#${writes++}`, true),
          count: async (label) => written(label).length,
        },
        travel: async (ms) => {
          now += ms;
        },
        close: () => store.close(),
      };
    },
  };
}
