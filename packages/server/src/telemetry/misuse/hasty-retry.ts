import type { MisuseLimits } from './options.ts';
import type { SeenKey } from './seen-key.ts';

/** The clock of the one end and of the other, and the way between: an honest retry may seem a little early. */
const EARLY = 0.9;

/**
 * Retries without backoff: again right after the answer, or before the answer's own `Retry-After`. Those that come while a
 * call is under way are duplicates, not retries. Full jitter is hasty now and then, and never five times in a row.
 *
 * @returns how many, once they are too many; else 0
 */
export function hastyRetry(
  key: SeenKey,
  now: number,
  limits: NonNullable<MisuseLimits['hastyRetries']>,
): number {
  const { answeredAt, dueAt } = key;
  if (answeredAt === 0 || key.running > 0) return 0;
  const gapMs = now - answeredAt;
  if (gapMs >= limits.minGapMs && gapMs >= (dueAt - answeredAt) * EARLY) return 0;
  key.hasty++;
  return key.hasty >= limits.retries ? key.hasty : 0;
}

export function keyAnswered(key: SeenKey, now: number, retryAfterMs: number | undefined): void {
  if (key.running > 0) key.running--;
  key.answeredAt = now;
  key.dueAt = now + (retryAfterMs ?? 0);
}
