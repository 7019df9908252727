import type { Entry } from './window-table.ts';

/** How traffic can be wrong. */
export const MISUSE_SIGNALS = [
  'renewed_key',
  'changed_payload',
  'replay_storm',
  'weak_key',
  'hasty_retry',
] as const;
export type MisuseSignal = (typeof MISUSE_SIGNALS)[number];

/** What was told of one scope and procedure. */
export interface Told extends Entry {
  /** By signal: when it was told last, and how often it was found since without being told. */
  readonly at: number[];
  readonly kept: number[];
}

export const newTold = (): Told => ({
  since: 0,
  life: 0,
  at: MISUSE_SIGNALS.map(() => Number.NEGATIVE_INFINITY),
  kept: MISUSE_SIGNALS.map(() => 0),
});

export function forgetTold({ at, kept }: Told): void {
  at.fill(Number.NEGATIVE_INFINITY);
  kept.fill(0);
}

/**
 * Once a window for each signal, or a loop would fill the log that should name it.
 * @returns how often it was kept back since it was told last; `undefined`: keep this one back as well
 */
export function tell(told: Told, signal: MisuseSignal, now: number, windowMs: number): number | undefined {
  const index = MISUSE_SIGNALS.indexOf(signal);
  const { at, kept } = told;
  if (now - (at[index] as number) < windowMs) {
    kept[index] = (kept[index] as number) + 1;
    return undefined;
  }
  const suppressed = kept[index] as number;
  at[index] = now;
  kept[index] = 0;
  return suppressed;
}
