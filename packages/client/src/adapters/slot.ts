import type { Outcome } from '../outcome.ts';

/** Where the link leaves the outcome for `outcomeOf`, which sees only the promise of `mutate`. */
export interface Slot {
  outcome?: Outcome<unknown>;
}

let open: Slot | undefined;

/** Runs a call; the first keyed mutation that it makes synchronously gets the slot. */
export function withSlot<T>(slot: Slot, call: () => T): T {
  open = slot;
  try {
    return call();
  } finally {
    open = undefined;
  }
}

export function takeSlot(): Slot | undefined {
  const slot = open;
  open = undefined;
  return slot;
}

/** Outcomes that are the values of calls themselves: those of `keyedFetch`, which `outcomeOf` passes on as they are. */
export const asValues = new WeakSet<object>();
