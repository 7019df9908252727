import type { AcceptedBody, IdempotencyKey, IdempotencyProblem } from '@semel/contract/v1/pure';
import type { Clock } from '../clock.ts';
import type { SemelEvent } from '../events.ts';
import type { Policy } from '../options.ts';
import type { Outcome, UnknownReason } from '../outcome.ts';
import type { Connectivity } from '../presence/connectivity.ts';
import { atLeast, backoffMs, pollMs, SLOW_POLL } from './backoff.ts';
import type { Budget, Share } from './budget.ts';
import { watchAccepted } from './polling.ts';
import { verdict } from './verdict.ts';
import { type Start, timeOf } from './within.ts';

/** How a delivery ended. */
export interface Delivered<T> {
  outcome: Outcome<unknown>;
  /** The transport's answer, where that is what the caller is to get. */
  value?: T;
}

/** A 202, and the answer that brought it. */
export interface Accepted<T> {
  value: T;
  body: AcceptedBody;
}

/** One call, as a transport offers it. */
export interface Call<T> {
  /** Sends it once more, synchronously, with the key (and its age) on it. */
  attempt(key: IdempotencyKey): Start<T>;
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
  /** Sends it once more. */
  readonly attempt: Start<T>;
  readonly key: string;
  readonly signal: AbortSignal;
  /** An earlier attempt was sent, and nobody knows what became of it. */
  readonly lost: boolean;
  /** Begin by waiting for this operation. */
  readonly resumed: Accepted<T> | undefined;
  tell: (event: Told<SemelEvent>) => void;
  /** Goes on with an accepted operation later. */
  wait: (accepted: Accepted<T>) => Promise<Outcome<unknown>>;
}

/** An event, before the action's name is put to it. */
export type Told<TEvent> = TEvent extends { key: string } ? Omit<TEvent, 'path' | 'key' | 'intent'> : never;

export interface DeliveryTools extends Policy {
  readonly clock: Clock;
  readonly random: () => number;
  readonly budget: Budget;
  readonly connectivity: Connectivity;
}

/** It ended with an error: nobody knows what became of the action if something of it was `lost`, else nothing did. */
export const failed = (
  key: string,
  lost: boolean,
  reason: UnknownReason,
  cause?: unknown,
  problem?: IdempotencyProblem,
): Delivered<never> => ({
  outcome: lost
    ? { status: 'unknown', reason, key, cause }
    : { status: 'rejected', error: cause, problem, key },
});

/**
 * The attempt loop: sends a call until its outcome is known, its time is up, or failures have used up attempts or
 * budget. Never throws. Waiting for another attempt (`in_flight`) is no failure and is charged to the deadline alone.
 */
export async function deliver<T>(
  call: Call<T>,
  { attempt, key, signal, lost, resumed, tell, wait }: Delivery<T>,
  { clock, random, budget, connectivity, retry, inFlight, accepted }: DeliveryTools,
): Promise<Delivered<T>> {
  let watched = resumed;
  let failures = 0;
  let polls = 0;
  let time = timeOf(clock, signal, (resumed ? accepted : retry).deadlineMs, retry);

  for (;;) {
    if (watched) {
      const { value, body } = watched;
      const { operationId, pollAfterMs } = body;
      const firstMs = Math.max(pollAfterMs, pollMs(inFlight, polls++));
      const isTime =
        (accepted.wait || resumed) &&
        (await watchAccepted(call.status(operationId), firstMs, time, inFlight, ({ state, progress }) =>
          tell({ type: 'progress', operationId, state: state ?? 'not_found', progress }),
        ));
      if (!isTime) {
        return {
          ...(!accepted.wait && { value }),
          outcome: { status: 'accepted', operationId, key, wait: () => wait({ value, body }) },
        };
      }
    }
    if (signal.aborted) return failed(key, lost, 'aborted', signal.reason);

    const answer = await time.attempt(attempt);
    const keyed = call.keyed();
    // What is under way when the caller gives up is lost.
    if (answer.type === 'aborted') return failed(key, lost || keyed, 'aborted', signal.reason);
    if (!keyed) tell({ type: 'unkeyed' });
    const v = verdict(answer);
    const { error: cause } = answer as { error?: unknown };
    let share: Share | undefined;
    let waitMs: number;
    let end: Delivered<T>;
    switch (v.kind) {
      case 'completed': {
        const { value } = answer as { value: T };
        const body = call.accepted(value);
        budget.refill();
        if (!body) return { value, outcome: { status: v.kind, ...call.read(value), key } };
        if (!watched) {
          tell({ type: 'accepted', operationId: body.operationId });
          time = timeOf(clock, signal, accepted.deadlineMs, retry);
        }
        watched = { value, body };
        lost = true;
        continue;
      }
      case 'rejected':
        // The stored failure is the answer to all attempts.
        return failed(key, lost && !v.conclusive, 'refused', cause, v.problem);
      case 'unknown':
        return failed(key, true, v.reason, cause);
      case 'wait': {
        const { code } = v;
        const isUnknown = code === 'outcome_unknown';
        // Something was begun under this key: a later abort or a closed door doesn't undo it.
        lost = true;
        waitMs = pollMs(isUnknown ? SLOW_POLL : inFlight, polls++);
        end = isUnknown
          ? failed(key, lost, code, cause)
          : { outcome: { status: 'in_flight', retryAfterMs: v.retryAfterMs ?? waitMs, key, cause } };
        break;
      }
      case 'retry': {
        const { reason } = v;
        // Also when the server says that nothing was begun: of a request that the browser sent twice by itself, this is one
        // copy's answer.
        lost = true;
        if (reason === 'network' && keyed && !connectivity.online()) {
          tell({ type: 'offline' });
          // No failure of the server's, so nothing is charged. Now and then it's tried all the same: a browser may be wrong.
          await time.within(Math.min(time.left(), retry.capMs), (back) =>
            connectivity.onceOnline(() => back(undefined)),
          );
          if (time.left() > 0) continue;
        }
        share = budget.share(rootOf(cause));
        // What left without its key must not be sent twice.
        waitMs =
          keyed && ++failures < retry.maxAttempts ? backoffMs(retry, failures, share.random) : Infinity;
        end = failed(key, lost, reason === 'store' ? 'server' : reason, cause, v.problem);
      }
    }
    const { retryAfterMs = 0 } = v;
    waitMs = atLeast(waitMs, retryAfterMs, share?.random ?? random);
    if (waitMs >= time.left() || retryAfterMs > retry.maxRetryAfterMs || share?.take() === false) return end;
    tell(
      v.kind === 'retry'
        ? { type: v.kind, reason: v.reason, waitMs }
        : { type: v.kind, code: v.code, waitMs },
    );
    await (share ? time.within(time.left(), share.sleep(waitMs)) : time.within(waitMs));
  }
}

/** The calls of one batch have this object in common when the batch is lost as a whole. */
function rootOf(error: unknown): unknown {
  const { cause, meta } = (error ?? {}) as { cause?: unknown; meta?: { response?: unknown } };
  return cause ?? meta?.response ?? error;
}
