import type { IdempotencyKey } from '@semel/contract/v1/pure';
import { ageOf } from '../intent/key.ts';
import type { Outcome } from '../outcome.ts';
import { atLeast, backoffMs, pollMs, SLOW_POLL } from './backoff.ts';
import type { Share } from './budget.ts';
import { type Call, type Delivered, failed } from './call.ts';
import type { Core, Entry } from './core.ts';
import { watchAccepted } from './polling.ts';
import { verdict } from './verdict.ts';
import { type Answer, type Start, timeOf } from './within.ts';

/**
 * The attempt loop: sends a call until its outcome is known, its time is up, or failures have used up attempts or
 * budget. Never throws. Waiting for another attempt (`in_flight`) is no failure and is charged to the deadline alone.
 *
 * @param resumed the 202 to go on with
 * @param wait goes on with a 202 later
 */
export async function deliver<T>(
  core: Core,
  entry: Entry,
  call: Call<T>,
  resumed: T | undefined,
  wait: (value: T) => Promise<Outcome<unknown>>,
): Promise<Delivered<T>> {
  const { clock, budget, connectivity, retry, inFlight, accepted } = core;
  const { action, signal, tell, write } = entry;
  const { key } = action;
  let { lost } = action;
  let isAccepted = resumed !== undefined;
  let answer: Answer<T> | undefined = resumed && { type: 'value', value: resumed };
  let failures = 0;
  let polls = 0;
  let time = timeOf(core, signal, (isAccepted ? accepted : retry).deadlineMs);
  const attempt: Start<T> = (resolve, reject) => {
    // In whole seconds, at least one, on every attempt but the first. Asked for when it's put on the request: a batch leaves
    // a timer later, and a page may be frozen for days before that.
    const sent: IdempotencyKey = action.attempts++
      ? {
          key,
          get ageMs() {
            return Math.ceil(Math.max(1, ageOf(action, clock)) / 1000) * 1000;
          },
        }
      : { key };
    const stop = call.attempt(sent)(resolve, reject);
    // The first one was written down with the claim.
    if (!entry.isNew || entry.attempts) void write(entry.isDone ? 'completed' : 'sending');
    tell({ type: 'attempt', attempt: ++entry.attempts, ageMs: sent.ageMs });
    return stop;
  };

  for (;;) {
    if (signal.aborted) return failed(action, lost, 'aborted', signal.reason);
    answer ??= await time.attempt(attempt);
    const keyed = call.keyed();
    // What is under way when the caller gives up is lost.
    if (answer.type === 'aborted') return failed(action, lost || keyed, 'aborted', signal.reason);
    if (!keyed) {
      core.events.warn('headers_not_wired', action.path);
      tell({ type: 'unkeyed' });
    }
    const v = verdict(answer, call.place());
    const { error: cause, value } = answer as { error?: unknown; value: T };
    answer = undefined;
    if (v.type === 'rejected')
      // The stored failure is the answer to all attempts.
      return failed(action, lost && !v.conclusive, 'refused', cause, v.problem);
    if (v.type === 'unknown') return failed(action, true, v.reason, cause);
    if (v.type === 'completed') {
      const body = call.accepted(value);
      budget.refill();
      if (!body) return { value, outcome: { status: v.type, ...call.read(value), key } };
      const { operationId, pollAfterMs } = body;
      if (!isAccepted) {
        isAccepted = true;
        entry.operationId = operationId;
        void write('accepted');
        tell({ type: 'accepted', operationId });
        time = timeOf(core, signal, accepted.deadlineMs);
      }
      lost = true;
      const isTime =
        (accepted.wait || resumed) &&
        (await watchAccepted(
          call.status(operationId),
          Math.max(pollAfterMs, pollMs(inFlight, polls++)),
          time,
          inFlight,
          ({ state, progress }) =>
            tell({ type: 'progress', operationId, state: state ?? 'not_found', progress }),
        ));
      if (isTime) continue;
      return {
        ...(!accepted.wait && { value }),
        outcome: { status: 'accepted', operationId, key, wait: () => wait(value) },
      };
    }

    // Something was begun under this key: a later abort or a closed door doesn't undo it. Also when the server says that nothing
    // was: of a request that the browser sent twice by itself, this is one copy's answer.
    lost = true;
    const { type, reason, retryAfterMs = 0 } = v;
    let share: Share | undefined;
    let waitMs: number;
    let end: Delivered<T>;
    if (type === 'wait') {
      const isUnknown = reason === 'outcome_unknown';
      // Nobody is at it any more: whoever waited for it isn't kept for as long as for work.
      if (isUnknown && isAccepted) time = timeOf(core, signal, Math.min(time.left(), retry.deadlineMs));
      waitMs = pollMs(isUnknown ? SLOW_POLL : inFlight, polls++);
      end = isUnknown
        ? failed(action, lost, reason, cause)
        : { outcome: { status: 'in_flight', retryAfterMs: v.retryAfterMs ?? waitMs, key, cause } };
    } else {
      if (reason === 'network' && keyed && !connectivity.online()) {
        tell({ type: 'offline' });
        // No failure of the server's, so nothing is charged. Now and then it's tried all the same: a browser may be wrong.
        await time.within<void>(Math.min(time.left(), retry.capMs), (back) =>
          connectivity.onceOnline(() => back()),
        );
        if (time.left() > 0) continue;
      }
      share = budget.share(rootOf(cause));
      // What left without its key must not be sent twice.
      waitMs = keyed && ++failures < retry.maxAttempts ? backoffMs(retry, failures, share.drawn) : Infinity;
      end = failed(action, lost, reason === 'store' ? 'server' : reason, cause);
    }
    waitMs = atLeast(waitMs, retryAfterMs, share ? share.drawn : core.random());
    if (waitMs >= time.left() || retryAfterMs > retry.maxRetryAfterMs || share?.take() === false) return end;
    tell(type === 'wait' ? { type, code: reason, waitMs } : { type, reason, waitMs });
    await time.within(share ? time.left() : waitMs, share?.sleep(waitMs));
  }
}

/** The calls of one batch have this object in common when the batch is lost as a whole. */
function rootOf(error: unknown): unknown {
  const { cause, meta } = (error ?? {}) as { cause?: unknown; meta?: { response?: unknown } };
  return cause ?? meta?.response ?? error;
}
