import type { Clock } from '../clock.ts';

/** How one thing that was started ended. */
export type Answer<T> =
  | { type: 'value'; value: T }
  | { type: 'error'; error: unknown }
  | { type: 'timeout' }
  | { type: 'aborted' };

/** Starts something that settles at most once; returns what stops it. */
export type Start<T> = (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void;

const LONGEST_TIMER = 2 ** 31 - 1; // a longer one fires at once

/**
 * Runs `start` until it settles, the time is up or the signal aborts, whichever comes first; then stops it and takes
 * its timer and listener away. Without `start`, an abortable sleep. `start` is called synchronously: tRPC batches only
 * what is sent in one tick.
 */
export function within<T>(
  clock: Clock,
  signal: AbortSignal,
  ms: number,
  start?: Start<T>,
): Promise<Answer<T>> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve({ type: 'aborted' });
    let stop: (() => void) | undefined;
    let done = false;
    const finish = (answer: Answer<T>) => {
      if (done) return;
      done = true;
      clock.clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      stop?.();
      resolve(answer);
    };
    const onAbort = () => finish({ type: 'aborted' });
    const timer = clock.setTimeout(() => finish({ type: 'timeout' }), Math.min(ms, LONGEST_TIMER));
    signal.addEventListener('abort', onAbort);
    try {
      stop = start?.(
        (value) => finish({ type: 'value', value }),
        (error) => finish({ type: 'error', error }),
      );
      if (done) stop?.();
    } catch (error) {
      finish({ type: 'error', error });
    }
  });
}
