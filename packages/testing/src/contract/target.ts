import type { Payload } from './payload.ts';

/** Name and value of headers; a list of values becomes as many lines. */
export type HeaderLines = Readonly<Record<string, string | readonly string[]>>;

/** A server seen from outside, and how to ask it for one keyed effect. */
export interface ContractTarget {
  /** Where the server listens: `https://api.example.com`. A path in it stands before every path below. */
  readonly url: string;
  /** Instead of the network: cases that need a socket are then skipped. */
  readonly fetch?: (request: Request) => Promise<Response>;
  /** `trpc`: `path` is a mutation's name, called as tRPC's `httpLink` does. @default 'http' */
  readonly carrier?: 'http' | 'trpc';
  /** The tRPC server's transformer. @default 'none' */
  readonly transformer?: 'superjson' | 'none';
  /** Route (`/things`) or procedure (`things.create`), where a key is required. */
  readonly path: string;
  /** Plain HTTP only. @default 'POST' */
  readonly method?: string;
  /** Sent with every request. */
  readonly headers?: HeaderLines;
  /** The credentials of two principals. Without them every request carries `headers` alone. */
  readonly principals?: readonly [HeaderLines, HeaderLines];
  /** The body, as JSON. @default the payload itself */
  readonly body?: (payload: Payload) => unknown;
  /**
   * How many effects a reference has had, of any principal. Where it can't be said, runs are told apart by the ids in
   * answers: a run whose answer was lost is then not seen.
   */
  readonly countEffects?: (reference: string) => Promise<number>;
  /** What an answer tells its execution by. @default the member `id` of the answered object */
  readonly executionOf?: (value: unknown) => unknown;
  /** A second server on the same records. */
  readonly secondUrl?: string;
  /** Does the same as `path`, under another name. */
  readonly otherPath?: string;
  /** Does the same as `path`, and takes requests without a key. */
  readonly optionalPath?: string;
  /** Does the same as `path`, later: it answers 202, and a worker does it. */
  readonly queuedPath?: string;
  /** Where to ask what became of an operation, as WIRE.md says. */
  readonly status?: {
    /** Plain HTTP: `/idempotency/operations`. tRPC: `idempotency.status`. */
    readonly path: string;
    /** The stable name under which `path` keeps its operations. */
    readonly procedure: string;
  };
  /** A web page's origin that the server's CORS policy allows; needed for the capability `cors`. */
  readonly origin?: string;
  /** Makes everything that was stored so far expire, and reusable: by moving the server's clock. */
  readonly expire?: () => Promise<void>;
  /** Takes the store of records away. @returns what gives it back */
  readonly breakStore?: () => Promise<() => Promise<void>>;
  /** How long a handler is held where a request has to meet a running one. @default 500 */
  readonly slowMs?: number;
  /** An answer that takes longer counts as none. @default 10000 */
  readonly timeoutMs?: number;
  /** The status of a refusal for another payload. @default 422 */
  readonly mismatchStatus?: number;
  /** The longest key that the server takes, in characters. @default 255 */
  readonly maxKeyLength?: number;
  /** The shortest. @default 1 */
  readonly minKeyLength?: number;
  /** How keys are sent where a case doesn't care. @default 'quoted' */
  readonly keyForm?: 'quoted' | 'bare';
}

/** Which parts a target has, as capabilities name them. */
export function partsOf(target: ContractTarget): ReadonlySet<string> {
  const { carrier = 'http' } = target;
  const has: Record<string, unknown> = {
    [carrier]: true,
    socket: target.fetch === undefined,
    effects: target.countEffects,
    principals: target.principals,
    second: target.secondUrl,
    otherPath: target.otherPath,
    optionalPath: target.optionalPath,
    queued: target.queuedPath,
    status: target.status,
    expire: target.expire,
    outage: target.breakStore,
  };
  return new Set(Object.keys(has).filter((name) => has[name]));
}
