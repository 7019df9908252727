import type { IdempotencyProblem } from '@semel/contract/v1/pure';
import { HttpAnswerError } from '../errors.ts';
import { OPERATION } from '../wire.ts';
import { problemIn } from './problem.ts';
import { retryAfterMs } from './retry-after.ts';
import type { Answer } from './within.ts';

/** Why an attempt is repeated. `store`: the server said that nothing was begun. */
export type RetryReason = 'network' | 'timeout' | 'server' | 'store';

/** What an answer means. Every kind keeps the key. */
export type Verdict =
  | { kind: 'completed' }
  /** The server refuses. Not `conclusive`: it was turned away at the door, which says nothing about earlier attempts. */
  | { kind: 'rejected'; conclusive: boolean; problem?: IdempotencyProblem | undefined }
  /** Another attempt holds the operation, or the server itself doesn't know (yet): ask again. */
  | {
      kind: 'wait';
      code: 'in_flight' | 'lease_lost' | 'outcome_unknown';
      retryAfterMs: number | undefined;
    }
  /** No definite answer; sending again is safe. */
  | {
      kind: 'retry';
      reason: RetryReason;
      retryAfterMs?: number | undefined;
    }
  /** Nobody will ever be able to tell by this key. */
  | { kind: 'unknown'; reason: 'key_expired' | 'outcome_gone' };

/** The parts of a `TRPCClientError` that are read; duck-typed, so that any copy of tRPC will do. */
interface TrpcError {
  shape?: { code?: number; data?: { httpStatus?: number } } | null;
  meta?: { response?: { status: number; headers: Headers } };
}

/**
 * Says what an answer means. Pure: the same answer, the same verdict.
 *
 * An `AbortError` from the transport is a network failure: whether the *user* aborted is known from the signal alone.
 */
export function verdict(answer: Exclude<Answer<unknown>, { type: 'aborted' }>): Verdict {
  if (answer.type === 'value') return { kind: 'completed' };
  if (answer.type === 'timeout') return { kind: 'retry', reason: 'timeout' };
  const error = answer.error as TrpcError | undefined;
  const http = HttpAnswerError.from(error);
  const response = http ?? error?.meta?.response;
  const problem = problemIn(http ? parsed(http.body) : error);
  const given = problem?.retryAfterMs;
  const after =
    given !== undefined && given >= 0 ? given : response?.headers && retryAfterMs(response.headers);
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- naming what means nothing more would only be longer
  switch (problem?.code) {
    case 'in_flight':
    case 'lease_lost':
    case 'outcome_unknown':
      return { kind: 'wait', code: problem.code, retryAfterMs: after };
    case 'key_expired':
    case 'outcome_gone':
      return { kind: 'unknown', reason: problem.code };
    case 'store_unavailable':
      return { kind: 'retry', reason: 'store', retryAfterMs: after };
    default: // The others, and one day codes that this version doesn't know, mean what their status means.
  }

  const shape = error?.shape;
  // A formatter of the app's own may have dropped the status; JSON-RPC's -32603 stands for all 5xx.
  const status = shape ? (shape.data?.httpStatus ?? (shape.code === -32603 ? 500 : 400)) : response?.status;
  if (!status || status < 400) return { kind: 'retry', reason: 'network', retryAfterMs: after };
  if (status > 498 || [408, 425, 429].includes(status)) {
    return { kind: 'retry', reason: 'server', retryAfterMs: after };
  }
  // Of a plain route, and not the stored answer of an operation of ours: draft-07's "outstanding".
  if (status === 409 && !problem && http && http === error && !http.headers.has(OPERATION)) {
    return { kind: 'wait', code: 'in_flight', retryAfterMs: after };
  }
  // A page that isn't tRPC's comes from something in front of the server, and a problem is about the key.
  const foreign = problem || (http && http !== (error as unknown));
  return { kind: 'rejected', conclusive: !foreign && ![401, 403, 407].includes(status), problem };
}

/** JSON, or `undefined` for what isn't. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
