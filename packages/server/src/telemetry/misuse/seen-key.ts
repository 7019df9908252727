import type { Entry } from './window-table.ts';

/** One key of one scope and procedure: for every signal that is about the calls under a key. */
export interface SeenKey extends Entry {
  calls: number;
  hasty: number;
  /** Calls under it at this moment. */
  running: number;
  /** When the last answer was given, and when it asked to come again; 0 for never. */
  answeredAt: number;
  dueAt: number;
}

export const newKey = (): SeenKey => ({
  since: 0,
  life: 0,
  calls: 0,
  hasty: 0,
  running: 0,
  answeredAt: 0,
  dueAt: 0,
});

export function forgetKey(key: SeenKey): void {
  turnKey(key);
  key.running = 0;
  key.answeredAt = 0;
  key.dueAt = 0;
}

export function turnKey(key: SeenKey): void {
  key.calls = 0;
  key.hasty = 0;
}
