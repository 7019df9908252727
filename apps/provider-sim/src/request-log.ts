import type { Delivered } from './deliver.ts';

/** One HTTP request to /v1, as it arrived: what a client's own retries do becomes visible here. */
export interface LoggedRequest {
  readonly requestId: string;
  readonly at: string;
  readonly method: string;
  readonly path: string;
  readonly idempotencyKey: string | null;
  readonly customer: string | null;
  readonly status: number;
  readonly isReplay: boolean;
  readonly delivered: Delivered;
}

export interface RequestLog {
  add(request: LoggedRequest): void;
  /** Oldest first, in the order in which the answers left; all of them without a key. */
  entries(idempotencyKey?: string): readonly LoggedRequest[];
}

/** In memory, the last 10 000: unlike the charges it doesn't survive a restart. */
export function createRequestLog(limit = 10_000): RequestLog {
  const requests: LoggedRequest[] = [];
  return {
    add(request) {
      if (requests.push(request) > limit) requests.shift();
    },
    entries: (key) => requests.filter((request) => key === undefined || request.idempotencyKey === key),
  };
}
