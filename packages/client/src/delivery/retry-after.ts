/**
 * `Retry-After` in milliseconds: whole seconds, or a date taken relative to the answer's own `Date` (a client whose
 * clock is an hour off still waits the right time). Garbage and the past count as absent.
 */
export function retryAfterMs(headers: { get(name: string): string | null } | undefined): number | undefined {
  const value = headers?.get('retry-after')?.trim() ?? '';
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  // Date.parse accepts nearly anything; an HTTP-date begins with the day's name.
  if (!/^[A-Z][a-z]+,? /.test(value)) return undefined;
  const ms = Date.parse(value) - Date.parse(headers?.get('date') ?? '');
  return ms >= 0 ? ms : undefined;
}
