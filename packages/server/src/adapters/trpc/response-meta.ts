import { HEADER, retryAfterSeconds, serializeReplayed } from '@semel/contract/v1/pure';
import type { IdempotencyContext } from './idempotency-context.ts';

/** What tRPC's own `responseMeta` may say. */
export interface ResponseMeta {
  readonly headers: Record<string, string>;
  /** 202 for a single call that was queued; everything else tRPC knows itself. */
  readonly status?: 202;
}

/**
 * The courtesy headers of an answer. The body is the contract: a batch has one set of headers for many calls, and a
 * stream sends its headers before there are answers.
 */
export function responseMeta(context: IdempotencyContext | undefined): ResponseMeta {
  if (context === undefined) return { headers: {} };
  const { carriers, outcomes } = context;
  const keyed = outcomes.length > 0 || carriers.key !== undefined || carriers.keys !== undefined;
  if (!keyed) return { headers: {} };
  const headers: Record<string, string> = { 'Cache-Control': 'private, no-store' };
  const replayed = serializeReplayed(
    outcomes.filter((outcome) => outcome.replayed).map((outcome) => outcome.batchIndex),
    carriers.calls,
  );
  if (replayed !== undefined) headers[HEADER.replayed] = replayed;
  const [only] = outcomes;
  if (carriers.calls !== 1 || only === undefined) return { headers };
  if (only.operationId !== undefined) headers[HEADER.operation] = only.operationId;
  if (only.retryAfterMs !== undefined)
    headers[HEADER.retryAfter] = String(retryAfterSeconds(only.retryAfterMs));
  const { accepted } = only;
  if (accepted === undefined) return { headers };
  if (accepted.location !== undefined) headers.Location = accepted.location;
  return { headers, status: 202 };
}
