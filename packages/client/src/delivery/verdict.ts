import type { IdempotencyProblem } from '@semel/contract/v1/pure';
import { HttpAnswerError } from '../errors.ts';
import { OPERATION, REPLAYED } from '../wire.ts';
import { problemIn } from './problem.ts';
import { retryAfterMs } from './retry-after.ts';
import type { Answer } from './within.ts';

/** Why an attempt is repeated. `store`: the server said that nothing was begun. */
export type RetryReason = 'network' | 'timeout' | 'server' | 'store';

export type GoneReason = 'key_expired' | 'outcome_gone';
export type WaitReason = 'in_flight' | 'lease_lost' | 'outcome_unknown';

/** What an answer means. Every type keeps the key. */
export type Verdict = {
  retryAfterMs?: number | undefined;
} & (
  | { type: 'completed' }
  /** The server refuses. Not `conclusive`: it was turned away at the door, which says nothing about earlier attempts. */
  | { type: 'rejected'; conclusive: boolean; problem?: IdempotencyProblem | undefined }
  /** Another attempt holds the operation, or the server itself doesn't know (yet): ask again. */
  | { type: 'wait'; reason: WaitReason }
  /** No definite answer; sending again is safe. */
  | { type: 'retry'; reason: RetryReason }
  /** Nobody will ever be able to tell by this key. */
  | { type: 'unknown'; reason: GoneReason }
);

/** The parts of a `TRPCClientError` that are read; duck-typed, so that any copy of tRPC will do. */
interface TrpcError {
  shape?: { code?: number; data?: { httpStatus?: number } } | null;
  meta?: { response?: { status: number; headers: Headers } };
}

/**
 * Says what an answer means. Pure: the same answer, the same verdict.
 *
 * @param place of this call among those that the answer says were replayed
 *
 * An `AbortError` from the transport is a network failure: whether the *user* aborted is known from the signal alone.
 */
export function verdict(answer: Exclude<Answer<unknown>, { type: 'aborted' }>, place = ''): Verdict {
  if (answer.type === 'value') return { type: 'completed' };
  if (answer.type === 'timeout') return { type: 'retry', reason: 'timeout' };
  const error = answer.error as TrpcError | undefined;
  const http = HttpAnswerError.from(error);
  const response = http ?? error?.meta?.response;
  const problem = problemIn(http ? parsed(http.body) : error);
  const given = problem?.retryAfterMs as number;
  const after = given >= 0 ? given : retryAfterMs(response?.headers);
  const means = (type: 'wait' | 'retry' | 'unknown', reason: WaitReason | RetryReason | GoneReason) =>
    ({ type, reason, retryAfterMs: after }) as Verdict;
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- naming what means nothing more would only be longer
  switch (problem?.code) {
    case 'in_flight':
    case 'lease_lost':
    case 'outcome_unknown':
      return means('wait', problem.code);
    case 'key_expired':
    case 'outcome_gone':
      return means('unknown', problem.code);
    case 'store_unavailable':
      return means('retry', 'store');
    default: // The others, and one day codes that this version doesn't know, mean what their status means.
  }

  const shape = error?.shape;
  // A formatter of the app's own may have dropped the status; JSON-RPC's -32603 stands for all 5xx.
  const status = shape ? (shape.data?.httpStatus ?? (shape.code === -32603 ? 500 : 400)) : response?.status;
  if (!status || status < 400) return means('retry', 'network');
  // What is stored is the answer, whatever its status says.
  if (
    place &&
    response?.headers
      .get(REPLAYED)
      ?.split(/\s*,\s*/)
      .includes(place)
  ) {
    return { type: 'rejected', conclusive: true, problem };
  }
  if (status > 498 || [408, 425, 429].includes(status)) return means('retry', 'server');
  // Of a plain route, and not the stored answer of an operation of ours: draft-07's "outstanding".
  if (status === 409 && !problem && http && http === error && !http.headers.has(OPERATION)) {
    return means('wait', 'in_flight');
  }
  // A page that isn't tRPC's comes from something in front of the server, and a problem is about the key.
  const foreign = problem || (http && http !== (error as unknown));
  return { type: 'rejected', conclusive: !foreign && ![401, 403, 407].includes(status), problem };
}

/** JSON, or `undefined` for what isn't. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
