import type { HTTPHeaders, Operation } from '@trpc/client';
import { keyHeaders } from '../wire.ts';
import { carriedBy } from './carrier.ts';

/** The caller's own headers: an object, or what can be iterated as pairs (`Headers`). */
export type BaseHeaders = () => HTTPHeaders | Promise<HTTPHeaders>;

/** The `headers` option of tRPC's HTTP links: `httpLink` passes `op`, the batching ones `opList`. */
export type SemelHeaders = (request: {
  op?: Operation;
  opList?: readonly Operation[];
}) => Promise<Record<string, string | string[] | undefined>>;

/**
 * Puts the keys of a request's calls on it: `Idempotency-Key` for one call, `Idempotency-Keys` in batch order for
 * several, `?0` for a call without one. A request without any key gets the caller's headers alone.
 */
export const createHeaders =
  (base?: BaseHeaders): SemelHeaders =>
  async ({ op, opList = op ? [op] : [] }) => {
    const keys = opList.map((each, index) => {
      const carried = carriedBy(each);
      if (carried) carried.place = opList.length > 1 ? `${index}` : 'true';
      return carried;
    });
    const own = (await base?.()) ?? {};
    const headers = Symbol.iterator in own ? Object.fromEntries(own) : own;
    return keys.some(Boolean) ? { ...headers, ...keyHeaders(keys) } : headers;
  };
