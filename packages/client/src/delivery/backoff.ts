import type { PollOptions } from '../options.ts';

/**
 * Full jitter: uniform in 0 … min(capMs, baseMs · 2^(failures−1)). The whole range, not a part of it, spreads a crowd
 * of clients best (Brooker, "Exponential Backoff And Jitter").
 *
 * @param drawn uniform in 0 … 1
 */
export const backoffMs = (
  options: { baseMs: number; capMs: number },
  failures: number,
  drawn: number,
): number => drawn * Math.min(options.capMs, options.baseMs * 2 ** (failures - 1));

/** Wait before asking for the nth time (from 0) whether something is done. */
export const pollMs = ({ firstMs, factor, capMs }: PollOptions, n: number): number =>
  Math.min(capMs, firstMs * factor ** n);

/** Somebody has to decide about a suspended operation: minutes, not milliseconds. */
export const SLOW_POLL: PollOptions = { firstMs: 2_000, factor: 2, capMs: 15_000 };

/** Never earlier than the server asked for, and up to a tenth later, so that not all come back at once. */
export const atLeast = (waitMs: number, retryAfterMs: number, drawn: number): number =>
  Math.max(waitMs, retryAfterMs * (1 + drawn / 10));
