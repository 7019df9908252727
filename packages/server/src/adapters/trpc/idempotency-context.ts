import { HEADER, type KeyListParse, parseKeyListHeader } from '@semel/contract/v1/pure';
import type { KeyCarriers } from '../../admission/admit-key.ts';
import { clientVersionFrom } from '../../telemetry/misuse/client-version.ts';

/** What became of one keyed call, for the answer's headers. */
export interface CallOutcome {
  readonly batchIndex: number;
  readonly replayed: boolean;
  readonly operationId?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  /** It was queued: `202`, and where to ask about it, where that can be said. */
  readonly accepted?: { readonly location: string | undefined } | undefined;
}

/** Made once per request by {@link idempotencyContext}; put it into your context as `idempotency`. */
export interface IdempotencyContext {
  readonly carriers: KeyCarriers;
  /** Filled by the calls, read by `responseMeta`. Stays empty on sockets, which have no answer headers. */
  readonly outcomes: CallOutcome[];
  readonly traceId?: string | undefined;
  /** What the caller's software calls itself; `''` where it doesn't. */
  readonly clientVersion?: string | undefined;
  /**
   * How the request's own calls read their input, by which they are known: a call that a handler makes with this context is none
   * of them, and no key of the request is its key. `undefined` where that can't be told.
   */
  readonly own?: ReadonlySet<unknown> | undefined;
}

type HeaderSource =
  | { get(name: string): string | null }
  | Readonly<Record<string, string | string[] | undefined>>;

/**
 * Reads where keys are carried, from what any tRPC adapter hands to `createContext`.
 *
 * @example
 * createContext: ({ req, info }) => ({ idempotency: idempotencyContext({ req, info }), user: … })
 */
export function idempotencyContext(options: {
  readonly req: { readonly headers: HeaderSource };
  readonly info?: { readonly calls: readonly unknown[] } | undefined;
  /** Goes into the audit rows of this request's transitions. */
  readonly traceId?: string | undefined;
  /**
   * Name and version of the caller's software, for whoever looks for a broken one: up to 64 letters, digits and
   * `. _ / + -`. @default the first word of `User-Agent`
   */
  readonly clientVersion?: string | undefined;
}): IdempotencyContext {
  const { headers } = options.req;
  const keysHeader = header(headers, HEADER.keys);
  let list: KeyListParse | undefined;
  return {
    carriers: {
      key: header(headers, HEADER.key),
      keys: keysHeader === undefined ? undefined : () => (list ??= parseKeyListHeader(keysHeader)),
      contract: header(headers, HEADER.contract),
      calls: options.info?.calls.length ?? 1,
    },
    outcomes: [],
    traceId: options.traceId,
    clientVersion: clientVersionFrom(options.clientVersion ?? header(headers, 'User-Agent')),
    own: ownCalls(options.info?.calls ?? []),
  };
}

function ownCalls(calls: readonly unknown[]): ReadonlySet<unknown> | undefined {
  const readers = calls.map((call) => (call as { readonly getRawInput?: unknown } | null)?.getRawInput);
  return readers.length > 0 && readers.every((reader) => typeof reader === 'function')
    ? new Set(readers)
    : undefined;
}

/** For calls from within the server (`createCaller`): the key is given directly. */
export function internalIdempotencyContext(key?: string): IdempotencyContext {
  return {
    carriers: { key: key && JSON.stringify(key), keys: undefined, contract: undefined, calls: 1 },
    outcomes: [],
  };
}

function header(headers: HeaderSource, name: string): string | undefined {
  if (typeof headers.get === 'function') return (headers as Headers).get(name) ?? undefined;
  const value = (headers as Record<string, string | string[] | undefined>)[name.toLowerCase()];
  // Two header lines are two keys: joined, they are malformed, as they have to be.
  return Array.isArray(value) ? value.join(', ') : value;
}
