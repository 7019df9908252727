/** Who did something to an operation and why: kept for ever, so bounded and plain. @throws TypeError naming the field */
export function auditText(action: string, field: string, value: unknown, max: number): string {
  if (typeof value === 'string' && value.length <= max && /^[^\p{Cc}\p{Cs}]+$/u.test(value)) return value;
  throw new TypeError(
    `${action}: ${field} is 1 to ${max} characters without control characters: it is kept for the audit`,
  );
}
