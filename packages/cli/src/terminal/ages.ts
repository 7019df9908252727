const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const;

/** For people: one unit, the largest that there is more than one of. */
export function duration(ms: number): string {
  for (const [unit, size] of UNITS) if (ms >= size * 2) return `${Math.floor(ms / size)} ${unit}`;
  return ms >= 1000 ? '1 s' : `${Math.max(0, Math.round(ms))} ms`;
}

/** `2026-11-22T12:00:00.000Z (3 min ago)`. Both by the store's clock. */
export function moment(at: number, now: number): string {
  const distance = at - now;
  const relative = distance > 0 ? `in ${duration(distance)}` : `${duration(-distance)} ago`;
  return `${new Date(at).toISOString()} (${relative})`;
}

export const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
