export const SECOND = 1000;
export const HOUR = 3_600_000;

/** Reads fields one by one. What is wrong with them is collected, so that all of it is said at once. */
export function policyFields<Field extends string>(given: object, known: ReadonlySet<Field>) {
  const input = given as { readonly [field in Field]?: unknown };
  const problems = Object.keys(input)
    .filter((field) => !(known as ReadonlySet<string>).has(field))
    .map((field) => `there is no field ${field} (durations end in Ms)`);
  return {
    problems,
    duration(field: Field, fallback: number, min: number, max: number): number {
      const value = (input[field] as number | undefined) ?? fallback;
      if (!Number.isSafeInteger(value) || value < min || value > max) {
        problems.push(`${field} must be a whole number between ${min} and ${max}, not ${String(value)}`);
      }
      return value;
    },
    oneOf<T extends string | number>(field: Field, fallback: T, allowed: readonly T[]): T {
      const value = (input[field] as T | undefined) ?? fallback;
      if (!allowed.includes(value)) {
        problems.push(`${field} must be one of ${allowed.join(', ')}, not ${String(value)}`);
      }
      return value;
    },
    function(field: Field): void {
      const value: unknown = input[field];
      if (value !== undefined && typeof value !== 'function') problems.push(`${field} must be a function`);
    },
  };
}

export function waitMsIn(
  inFlight: 'conflict' | { readonly waitMs: number } | undefined,
  problems: string[],
): number {
  const waitMs = inFlight === 'conflict' ? 0 : (inFlight ?? { waitMs: SECOND }).waitMs;
  if (!Number.isSafeInteger(waitMs) || waitMs < 0 || waitMs > 60 * SECOND) {
    problems.push(`inFlight.waitMs must be between 0 and 60000, not ${String(waitMs)}`);
  }
  return waitMs;
}

export function backoffIn(
  backoff: { readonly minMs?: number; readonly maxMs?: number } | undefined,
  problems: string[],
): { readonly minMs: number; readonly maxMs: number } {
  const { minMs = SECOND, maxMs = 300 * SECOND } = backoff ?? {};
  const whole = Number.isSafeInteger(minMs) && Number.isSafeInteger(maxMs);
  if (!whole || minMs < 1 || maxMs < minMs || maxMs > 24 * HOUR) {
    problems.push(
      `backoff must be { minMs, maxMs } in whole numbers, 1 ≤ minMs ≤ maxMs ≤ ${24 * HOUR}, not ${JSON.stringify(backoff)}`,
    );
  }
  return { minMs, maxMs };
}
