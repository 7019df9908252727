import { createMemoryStore } from '@semel/server/store';
import type { MakeStore, MemoryStore } from '../memory-harness.ts';

/** A store with one mistake that somebody could make, and the facts that it breaks. */
export interface WrongStore {
  readonly mistake: string;
  /** Titles of cases; each of them must fail. */
  readonly caughtBy: readonly string[];
  readonly make: MakeStore;
}

/** The memory store with some methods replaced. */
export function mistaken(
  change: (right: MemoryStore, clock: () => number) => Partial<MemoryStore>,
): MakeStore {
  return (clock) => {
    const right = createMemoryStore({ clock });
    return { ...right, ...change(right, clock) };
  };
}

/** The memory store whose clock can be put wrong for one call. */
export function mistakenAboutTime(
  change: (right: MemoryStore, at: <T>(offsetMs: number, call: () => T) => T) => Partial<MemoryStore>,
): MakeStore {
  return (clock) => {
    let offset = 0;
    const right = createMemoryStore({ clock: () => clock() + offset });
    const at = <T>(offsetMs: number, call: () => T): T => {
      offset = offsetMs;
      try {
        return call();
      } finally {
        offset = 0;
      }
    };
    return { ...right, ...change(right, at) };
  };
}

type Queue = MemoryStore['queue'];
type Decisions = MemoryStore['decisions'];

/** The memory store with some methods of its queue replaced. */
export const mistakenInQueue = (change: (right: MemoryStore) => Partial<Queue>): MakeStore =>
  mistaken((right) => ({ queue: { ...right.queue, ...change(right) } }));

/** The memory store with some methods of its decisions replaced. */
export const mistakenInDecisions = (change: (right: MemoryStore) => Partial<Decisions>): MakeStore =>
  mistaken((right) => ({ decisions: { ...right.decisions, ...change(right) } }));
