import type { AcceptedBody, IdempotencyProblem } from '@semel/contract/v1/pure';
import type { Clock } from '../clock.ts';
import type { SemelEvent } from '../events.ts';
import type { Policy } from '../options.ts';
import type { Outcome, UnknownReason } from '../outcome.ts';
import { atLeast, backoffMs, pollMs, SLOW_POLL } from './backoff.ts';
import type { Budget } from './budget.ts';
import { watchAccepted } from './polling.ts';
import { verdict } from './verdict.ts';
import { type Start, within } from './within.ts';

/** How a delivery ended. */
export interface Delivered<T> {
  outcome: Outcome<unknown>;
  /** The transport's answer, where the outcome is one. */
  value?: T;
  /** The outcome's `cause` is to be thrown as it is: an abort's reason, a 401. */
  original?: boolean | undefined;
}

/** A 202, and the answer that brought it. */
export interface Accepted<T> {
  value: T;
  body: AcceptedBody;
}

/** One call, as a transport offers it. */
export interface Call<T> {
  /** Sends it once more, synchronously. */
  attempt: Start<T>;
  /** Whether it may have left with its key. What leaves without one must not be sent twice. */
  keyed(): boolean;
  /** The handler's output and the replay mark. */
  read(value: T): { data: unknown; replayed: boolean | undefined };
  /** The 202 body in an answer. */
  accepted(value: T): AcceptedBody | undefined;
  /** Asks for the state of an accepted operation. */
  status(operationId: string): Start<unknown>;
}

/** What is known about an action, and whom to tell. */
export interface Delivery<T> {
  readonly key: string;
  readonly signal: AbortSignal;
  /** An earlier attempt was sent, and nobody knows what became of it. */
  readonly lost: boolean;
  /** Begin by waiting for this operation. */
  readonly resume: Accepted<T> | undefined;
  tell: (event: Told<SemelEvent>) => void;
  /** Goes on with an accepted operation later. */
  wait: (accepted: Accepted<T>) => Promise<Outcome<unknown>>;
}

/** An event, before the action's name is put to it. */
type Told<TEvent> = TEvent extends { path: string } ? Omit<TEvent, 'path' | 'key'> : never;

export interface DeliveryTools {
  readonly clock: Clock;
  readonly random: () => number;
  readonly budget: Budget;
  readonly policy: Policy;
}

/**
 * The attempt loop: sends a call until its outcome is known, its time is up, or failures have used up attempts or
 * budget. Never throws. Waiting for another attempt (`in_flight`) is no failure and is charged to the deadline alone.
 */
export async function deliver<T>(
  call: Call<T>,
  { key, signal, lost, resume, tell, wait }: Delivery<T>,
  { clock, random: own, budget, policy: { retry, inFlight, accepted } }: DeliveryTools,
): Promise<Delivered<T>> {
  let watched = resume;
  let failures = 0;
  let polls = 0;
  let until = clock.monotonic() + (resume ? accepted : retry).deadlineMs;
  const left = () => until - clock.monotonic();
  const limit = () => Math.max(0, Math.min(retry.attemptTimeoutMs, left()));
  const unknown = (reason: UnknownReason, cause: unknown, original?: boolean): Delivered<T> => ({
    outcome: { status: 'unknown', reason, key, cause },
    original,
  });
  const rejected = (error: unknown, problem?: IdempotencyProblem): Delivered<T> => ({
    outcome: { status: 'rejected', error, problem, key },
  });
  /** A refusal at the door is no answer to an attempt that was lost. */
  const refused = (cause: unknown, conclusive: boolean, problem?: IdempotencyProblem) =>
    lost && !conclusive ? unknown('refused', cause, true) : rejected(cause, problem);
  const aborted = () => (lost ? unknown('aborted', signal.reason, true) : rejected(signal.reason));

  for (;;) {
    if (watched) {
      const { value, body } = watched;
      const { operationId, pollAfterMs } = body;
      const firstMs = Math.max(pollAfterMs, pollMs(inFlight, polls++));
      const end =
        accepted.wait || resume
          ? await watchAccepted(call.status(operationId), firstMs, { left, limit, clock, signal, inFlight })
          : 'late';
      if (end === 'aborted') return aborted();
      if (end === 'late') {
        return {
          value,
          outcome: { status: 'accepted', operationId, key, wait: () => wait({ value, body }) },
        };
      }
    }

    const answer = await within(clock, signal, limit(), call.attempt);
    const v = verdict(answer);
    const cause = answer.type === 'error' ? answer.error : signal.reason;
    const keyed = call.keyed();
    const share = budget.share(rootOf(cause));
    const random = v.kind === 'retry' ? share.random : own;
    let waitMs: number;
    let end: Delivered<T>;
    if (answer.type !== 'aborted' && !keyed) tell({ type: 'unkeyed' });
    switch (v.kind) {
      case 'completed': {
        const { value } = answer as { value: T };
        const body = call.accepted(value);
        budget.refill();
        if (!body) return { value, outcome: { status: 'completed', ...call.read(value), key } };
        if (!watched) {
          tell({ type: 'accepted', operationId: body.operationId });
          until = clock.monotonic() + accepted.deadlineMs;
        }
        watched = { value, body };
        lost = true;
        continue;
      }
      case 'rejected':
        return refused(cause, v.conclusive, v.problem);
      case 'wait':
        waitMs = pollMs(inFlight, polls++);
        end = {
          outcome: { status: 'in_flight', retryAfterMs: v.retryAfterMs ?? waitMs, key, cause },
        };
        break;
      case 'unknown':
        // An attempt that is under way when the caller gives up is a lost one.
        lost ||= v.reason === 'aborted' && keyed;
        if (v.reason === 'aborted') return aborted();
        waitMs = v.reason === 'outcome_unknown' ? pollMs(SLOW_POLL, polls++) : Infinity;
        end = unknown(v.reason, cause);
        break;
      case 'retry':
        if (!keyed) return answer.type === 'error' ? refused(cause, false) : unknown('timeout', cause);
        lost ||= v.reason !== 'store';
        waitMs = ++failures < retry.maxAttempts ? backoffMs(retry, failures, random) : Infinity;
        end = lost ? unknown(v.reason === 'store' ? 'server' : v.reason, cause) : rejected(cause, v.problem);
    }
    const after = ('retryAfterMs' in v && v.retryAfterMs) || 0;
    waitMs = atLeast(waitMs, after, random);
    if (waitMs >= left() || after > retry.maxRetryAfterMs) return end;
    if (v.kind === 'retry') {
      if (!share.take()) return end;
      tell({ type: 'retry', reason: v.reason, waitMs });
    } else {
      tell({ type: 'wait', code: v.kind === 'wait' ? v.code : 'outcome_unknown', waitMs });
    }
    if ((await within(clock, signal, waitMs)).type === 'aborted') return aborted();
  }
}

/** The calls of one batch have this object in common when the batch is lost as a whole. */
function rootOf(error: unknown): unknown {
  const { cause, meta } = (error ?? {}) as { cause?: unknown; meta?: { response?: unknown } };
  return cause ?? meta?.response ?? error;
}
