import type { AcceptedBody, IdempotencyKey, IdempotencyProblem } from '@semel/contract/v1/pure';
import type { Clock } from '../clock.ts';
import type { SemelEvent } from '../events.ts';
import type { Policy } from '../options.ts';
import type { Outcome, UnknownReason } from '../outcome.ts';
import type { Connectivity } from '../presence/connectivity.ts';
import { atLeast, backoffMs, pollMs, SLOW_POLL } from './backoff.ts';
import type { Budget, Share } from './budget.ts';
import { type Status, watchAccepted } from './polling.ts';
import { verdict } from './verdict.ts';
import { type Start, within } from './within.ts';

/** How a delivery ended. */
export interface Delivered<T> {
  outcome: Outcome<unknown>;
  /** The transport's answer, where that is what the caller is to get. */
  value?: T;
  /** What to throw as it is, where there is such a thing: the server's refusal, an abort's reason. */
  error?: unknown;
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
  readonly resume: Accepted<T> | undefined;
  tell: (event: Told<SemelEvent>) => void;
  /** Goes on with an accepted operation later. */
  wait: (accepted: Accepted<T>) => Promise<Outcome<unknown>>;
}

/** An event, before the action's name is put to it. */
type Told<TEvent> = TEvent extends { key: string } ? Omit<TEvent, 'path' | 'key' | 'intent'> : never;

export interface DeliveryTools {
  readonly clock: Clock;
  readonly random: () => number;
  readonly budget: Budget;
  readonly policy: Policy;
  readonly connectivity: Connectivity;
}

/**
 * The attempt loop: sends a call until its outcome is known, its time is up, or failures have used up attempts or
 * budget. Never throws. Waiting for another attempt (`in_flight`) is no failure and is charged to the deadline alone.
 */
export async function deliver<T>(
  call: Call<T>,
  { attempt, key, signal, lost, resume, tell, wait }: Delivery<T>,
  { clock, random, budget, connectivity, policy: { retry, inFlight, accepted } }: DeliveryTools,
): Promise<Delivered<T>> {
  let watched = resume;
  let failures = 0;
  let polls = 0;
  let until = clock.monotonic() + (resume ? accepted : retry).deadlineMs;
  const left = () => until - clock.monotonic();
  const limit = () => Math.max(0, Math.min(retry.attemptTimeoutMs, left()));
  const timed = <V>(ms: number, start?: Start<V>) => within(clock, signal, ms, start);
  const unknown = (reason: UnknownReason, cause: unknown): Outcome<unknown> => ({
    status: 'unknown',
    reason,
    key,
    cause,
  });
  /** Ends it with an error that says nothing about an attempt that was lost. */
  const refuse = (reason: UnknownReason, error: unknown, problem?: IdempotencyProblem): Delivered<T> => ({
    error,
    outcome: lost ? unknown(reason, error) : { status: 'rejected', error, problem, key },
  });

  for (;;) {
    if (watched) {
      const { value, body } = watched;
      const { operationId, pollAfterMs } = body;
      const firstMs = Math.max(pollAfterMs, pollMs(inFlight, polls++));
      const progress = ({ state, progress }: Status) =>
        tell({ type: 'progress', operationId, state: state ?? 'not_found', progress });
      const watch = { timed, left, limit, inFlight, progress };
      if (!(accepted.wait || resume) || !(await watchAccepted(call.status(operationId), firstMs, watch))) {
        return {
          ...(!accepted.wait && { value }),
          outcome: { status: 'accepted', operationId, key, wait: () => wait({ value, body }) },
        };
      }
    }
    if (signal.aborted) return refuse('aborted', signal.reason);

    const answer = await timed(limit(), attempt);
    const keyed = call.keyed();
    if (answer.type === 'aborted') {
      // What is under way when the caller gives up is lost.
      lost ||= keyed;
      return refuse('aborted', signal.reason);
    }
    if (!keyed) tell({ type: 'unkeyed' });
    const v = verdict(answer);
    const cause = answer.type === 'error' ? answer.error : undefined;
    let share: Share | undefined;
    let waitMs: number;
    let end: Delivered<T>;
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
        // The stored failure is the answer to all attempts.
        lost &&= !v.conclusive;
        return refuse('refused', cause, v.problem);
      case 'unknown':
        return { outcome: unknown(v.reason, cause) };
      case 'wait': {
        const { code } = v;
        const isUnknown = code === 'outcome_unknown';
        // Something was begun under this key: a later abort or a closed door doesn't undo it.
        lost = true;
        waitMs = pollMs(isUnknown ? SLOW_POLL : inFlight, polls++);
        end = {
          outcome: isUnknown
            ? unknown(code, cause)
            : { status: 'in_flight', retryAfterMs: v.retryAfterMs ?? waitMs, key, cause },
        };
        break;
      }
      case 'retry': {
        const { reason } = v;
        const nothingBegun = reason === 'store';
        lost ||= !nothingBegun;
        if (reason === 'network' && keyed && !connectivity.online()) {
          tell({ type: 'offline' });
          // No failure of the server's, so nothing is charged. Now and then it's tried all the same: a browser may be wrong.
          await timed(Math.min(left(), retry.capMs), (back) =>
            connectivity.onceOnline(() => back(undefined)),
          );
          if (left() > 0) continue;
        }
        share = budget.share(rootOf(cause));
        // What left without its key must not be sent twice.
        waitMs =
          keyed && ++failures < retry.maxAttempts ? backoffMs(retry, failures, share.random) : Infinity;
        end = lost
          ? { outcome: unknown(nothingBegun ? 'server' : reason, cause) }
          : refuse('server', cause, v.problem);
      }
    }
    const { retryAfterMs = 0 } = v;
    waitMs = atLeast(waitMs, retryAfterMs, share?.random ?? random);
    if (waitMs >= left() || retryAfterMs > retry.maxRetryAfterMs || share?.take() === false) return end;
    tell(
      v.kind === 'retry'
        ? { type: v.kind, reason: v.reason, waitMs }
        : { type: v.kind, code: v.code, waitMs },
    );
    await (share ? timed(left(), share.sleep(waitMs)) : timed(waitMs));
  }
}

/** The calls of one batch have this object in common when the batch is lost as a whole. */
function rootOf(error: unknown): unknown {
  const { cause, meta } = (error ?? {}) as { cause?: unknown; meta?: { response?: unknown } };
  return cause ?? meta?.response ?? error;
}
