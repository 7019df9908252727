/** Time as the client sees it: injected, so that schedules can be tested without waiting. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. It may jump. */
  now(): number;
  /** Milliseconds that only grow. It may stand still while the machine sleeps. */
  monotonic(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (handle) => clearTimeout(handle as number),
};

/** A moment on both clocks. */
export interface Moment {
  readonly wall: number;
  readonly mono: number;
}

export const momentOf = (clock: Clock, agoMs = 0): Moment => ({
  wall: clock.now() - agoMs,
  mono: clock.monotonic() - agoMs,
});

/**
 * Time since a moment, by whichever clock says more. The wall clock can be set back and the monotonic one stops
 * while a laptop sleeps; an age that is too small could make a server run an operation again that it has
 * forgotten, one that is too large only makes it more careful.
 */
export const sinceMs = (clock: Clock, moment: Moment): number =>
  Math.max(clock.now() - moment.wall, clock.monotonic() - moment.mono, 0);
