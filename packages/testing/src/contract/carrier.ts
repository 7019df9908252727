import type { ContractTarget } from './target.ts';

/** How one call looks on the wire, and where its value stands in the answer. */
export interface Carrier {
  /** The address of a path; `query` has no question mark. */
  address(base: string, path: string, query?: string): URL;
  /** The text of a body from the text of its JSON. */
  wrap(json: string): string;
  /** What the handler answered, out of the answer's JSON. */
  value(json: unknown): unknown;
}

export function carrierOf({ carrier = 'http', transformer = 'none' }: ContractTarget): Carrier {
  const address = (base: string, path: string, query?: string): URL => {
    const url = new URL(base);
    url.pathname = `${url.pathname.replace(/\/$/, '')}/${path.replace(/^\//, '')}`;
    if (query !== undefined) url.search = query;
    return url;
  };
  if (carrier === 'http') return { address, wrap: (json) => json, value: (json) => json };
  const transformed = transformer === 'superjson';
  return {
    address,
    wrap: (json) => (transformed ? `{"json":${json}}` : json),
    value: (json) => {
      const data = member(member(json, 'result'), 'data');
      return transformed ? member(data, 'json') : data;
    },
  };
}

/** A member of what may be anything. */
export function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return (value as Record<string, unknown>)[name];
}
