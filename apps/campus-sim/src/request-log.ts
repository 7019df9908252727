import type { Delivered } from './deliver.ts';

/** One keyed request as it arrived, and what has become of it so far. */
export interface LoggedRequest {
  readonly path: string;
  readonly idempotencyKey: string;
  /** `null` while it is being worked on. */
  status: number | null;
  isReplay: boolean;
  delivered: Delivered | null;
}

export interface RequestLog {
  /** In the order of arrival; the one returned is filled in later. */
  arrived(path: string, idempotencyKey: string): LoggedRequest;
  /** All of them without a key. */
  entries(idempotencyKey: string | null): readonly LoggedRequest[];
}

/** In memory, the last 10 000: unlike the effects it doesn't survive a restart. */
export function createRequestLog(limit = 10_000): RequestLog {
  const requests: LoggedRequest[] = [];
  return {
    arrived(path, idempotencyKey) {
      const request = { path, idempotencyKey, status: null, isReplay: false, delivered: null };
      if (requests.push(request) > limit) requests.shift();
      return request;
    },
    entries: (key) => requests.filter((request) => key === null || request.idempotencyKey === key),
  };
}
