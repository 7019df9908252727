import type { RouteInput } from '@semel/contract/v1/pure';
import { type IdempotencyPolicy, PolicyError, policyOn } from '../../admission/policy.ts';
import type { Policy } from '../../engine/policy.ts';
import type { Semel } from '../../semel.ts';
import { ErrorAnswer, type RenderError } from './codecs.ts';
import { replayHeadersFrom } from './replay-headers.ts';

/** What only a worker's procedures have: it finds them in a router, by name, and calls them without a request. */
type QueuedOnly = 'backoff' | 'deadLetterOwner' | 'resolve';

/** What a route promises about repetition. As a procedure's policy, and what only HTTP has. */
export interface RoutePolicy
  extends Omit<IdempotencyPolicy, 'mode' | 'name' | 'scope' | 'fingerprint' | QueuedOnly> {
  /** As of a procedure. Not `queued`: a worker has no request to call a handler with; make the route from a procedure. */
  readonly mode: Exclude<IdempotencyPolicy['mode'], 'queued'>;
  /**
   * The stable name that keys are bound to, and that status, metrics and audit show. Keep it when the route moves. Not
   * made from the path: ids in it would make a name of each.
   */
  readonly name: string;
  /** Narrows the scope that authentication gave. Can't widen it. */
  readonly scope?: (input: RouteInput) => string;
  /** Picks what of the request identifies it. @default method, path, query and content */
  readonly fingerprint?: (input: RouteInput) => unknown;
  /**
   * Headers of an answer that a replay carries too, besides those that describe its content. Cookies, credentials, dates,
   * connection, trace and CORS headers can't be named.
   */
  readonly replayHeaders?: readonly string[];
  /** A longer request gets 413, and nothing is claimed. @default 1 MiB */
  readonly maxBodyBytes?: number;
  /**
   * How an error that the handler throws is answered, when it is final and so is stored: `undefined` leaves it to the
   * default, a problem document with the error's status and message. What isn't final is thrown on to the framework.
   */
  readonly renderError?: RenderError;
}

/** A route's policy, checked. */
export interface Route {
  /** As the application gave it, for `inspect`. */
  readonly given: IdempotencyPolicy;
  readonly name: string;
  readonly policy: Policy;
  readonly replay: ReadonlySet<string>;
  readonly maxBodyBytes: number;
  readonly renderError: RenderError | undefined;
}

/** @throws PolicyError naming every field that is wrong */
export function routeFrom(given: RoutePolicy, semel: Pick<Semel<unknown>, 'engine'>): Route {
  const { replayHeaders, maxBodyBytes = 1_048_576, renderError, ...policy } = given;
  if (typeof given.name !== 'string') {
    throw new PolicyError(
      "an idempotent route needs a stable name: idempotent({ name: 'orders.create', mode: 'atomic' }, handler)",
    );
  }
  if (!Number.isSafeInteger(maxBodyBytes) || maxBodyBytes < 0 || maxBodyBytes > 64 * 1_048_576) {
    throw new PolicyError(
      `idempotency policy: maxBodyBytes must be between 0 and 67108864, not ${maxBodyBytes}`,
    );
  }
  if ((given.mode as string) === 'queued' || 'resolve' in given) {
    throw new PolicyError(
      `idempotency policy: ${given.name} can't have mode 'queued' or a resolver: a worker has no request, body or framework context to call the handler of a plain route with. Write it as a tRPC procedure with mode 'queued', and make the route from that`,
    );
  }
  const checked = policyOn(semel.engine, policy as IdempotencyPolicy);
  const { isFinal } = checked;
  return {
    given: policy as IdempotencyPolicy,
    name: given.name,
    // A policy judges the response that its handler made, not the engine's wrapping of it.
    policy: isFinal === undefined ? checked : { ...checked, isFinal: (error) => isFinal(responseIn(error)) },
    replay: replayHeadersFrom(replayHeaders),
    maxBodyBytes,
    renderError,
  };
}

const responseIn = (error: unknown): unknown => (error instanceof ErrorAnswer ? error.response : error);
