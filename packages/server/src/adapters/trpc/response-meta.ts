import { HEADER, retryAfterSeconds, serializeReplayed } from '@semel/contract/v1/pure';
import type { IdempotencyContext } from './idempotency-context.ts';

/**
 * The courtesy headers of an answer. The body is the contract: a batch has one set of headers for many calls, and a
 * stream sends its headers before there are answers.
 */
export function responseHeaders(context: IdempotencyContext | undefined): Record<string, string> {
  if (context === undefined) return {};
  const { carriers, outcomes } = context;
  const keyed = outcomes.length > 0 || carriers.key !== undefined || carriers.keys !== undefined;
  if (!keyed) return {};
  const headers: Record<string, string> = { 'Cache-Control': 'private, no-store' };
  const replayed = serializeReplayed(
    outcomes.filter((outcome) => outcome.replayed).map((outcome) => outcome.batchIndex),
    carriers.calls,
  );
  if (replayed !== undefined) headers[HEADER.replayed] = replayed;
  const [only] = outcomes;
  if (carriers.calls !== 1 || only === undefined) return headers;
  if (only.operationId !== undefined) headers[HEADER.operation] = only.operationId;
  if (only.retryAfterMs !== undefined)
    headers[HEADER.retryAfter] = String(retryAfterSeconds(only.retryAfterMs));
  return headers;
}
