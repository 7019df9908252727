import type { Clock } from '../clock.ts';

/** How one thing that was started ended. */
export type Answer<T> =
  | { type: 'value'; value: T }
  | { type: 'error'; error: unknown }
  | { type: 'timeout' }
  | { type: 'aborted' };

/** Starts something that settles at most once; returns what stops it, if it can be stopped. */
export type Start<T> = (
  resolve: (value: T) => void,
  reject: (error: unknown) => void,
) => (() => void) | undefined;

/** Something that can't be stopped, and goes on whatever becomes of the wait for it. What is there at once isn't waited for. */
export const awaiting =
  <T>(act: () => T | Promise<T>): Start<T> =>
  (resolve, reject) => {
    const answer = act() as T & { then?: unknown };
    if (answer?.then) void Promise.resolve(answer).then(resolve, reject);
    else resolve(answer);
    return undefined;
  };

const LONGEST_TIMER = 2 ** 31 - 1; // a longer one fires at once

/**
 * Runs `start` until it settles, the time is up or the signal aborts, whichever comes first; then stops it and takes
 * its timer and listener away. Without `start`, an abortable sleep. `start` is called synchronously: tRPC batches only
 * what is sent in one tick.
 */
export const within = <T>(
  clock: Clock,
  signal: AbortSignal | undefined,
  ms: number,
  start?: Start<T>,
): Promise<Answer<T>> =>
  new Promise((resolve) => {
    let stop: ReturnType<Start<T>>;
    let timer: unknown;
    let isDone = false;
    const finish = (answer: Answer<T>) => {
      if (isDone) return;
      isDone = true;
      clock.clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      stop?.();
      resolve(answer);
    };
    const onAbort = () => finish({ type: 'aborted' });
    if (signal?.aborted) return onAbort();
    try {
      stop = start?.(
        (value) => finish({ type: 'value', value }),
        (error) => finish({ type: 'error', error }),
      );
    } catch (error) {
      finish({ type: 'error', error });
    }
    if (isDone) stop?.();
    else if (signal?.aborted) onAbort();
    else {
      timer = clock.setTimeout(() => finish({ type: 'timeout' }), Math.min(ms, LONGEST_TIMER));
      signal?.addEventListener('abort', onAbort);
    }
  });

/** The time that a call has. */
export interface Time {
  /** Until its deadline, in milliseconds. */
  left(): number;
  /** Runs something for no longer than that; without `start`, sleeps. */
  within<T>(ms: number, start?: Start<T>): Promise<Answer<T>>;
  /** Runs one attempt, or one query. */
  attempt<T>(start: Start<T>): Promise<Answer<T>>;
}

export function timeOf(
  { clock, retry }: { clock: Clock; retry: { attemptTimeoutMs: number } },
  signal: AbortSignal,
  deadlineMs: number,
): Time {
  const until = clock.monotonic() + deadlineMs;
  const left = () => until - clock.monotonic();
  return {
    left,
    within: (ms, start) => within(clock, signal, ms, start),
    attempt: (start) => within(clock, signal, Math.min(retry.attemptTimeoutMs, left()), start),
  };
}
