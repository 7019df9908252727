import type { Entry } from './window-table.ts';

/** One scope, procedure and client version: for signals that many keys make together. */
export interface SeenCaller extends Entry {
  changed: number;
  replays: number;
  weak: number;
  /** What the next key would be if keys were counted up; a hash. */
  successor: number;
}

export const newCaller = (): SeenCaller => ({
  since: 0,
  life: 0,
  changed: 0,
  replays: 0,
  weak: 0,
  successor: 0,
});

export function forgetCaller(caller: SeenCaller): void {
  turnCaller(caller);
  caller.successor = 0;
}

export function turnCaller(caller: SeenCaller): void {
  caller.changed = 0;
  caller.replays = 0;
  caller.weak = 0;
}
