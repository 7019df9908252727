/** Runs `then` after `ms`; the result calls it off. */
export type After = (ms: number, then: () => void) => () => void;

const afterTimer: After = (ms, then) => {
  const timer = setTimeout(then, ms);
  // Nobody waits for a layer to come back: it doesn't keep the process alive.
  timer.unref();
  return () => clearTimeout(timer);
};

export interface BreakerOptions {
  /** Failures in a row that open it. @default 3 */
  readonly failures?: number;
  /** Until the first probe; doubled for each that fails. @default 100 */
  readonly cooldownMs?: number;
  /** @default 5_000 */
  readonly maxCooldownMs?: number;
  /** Whether it works again. */
  readonly probe: () => Promise<void>;
  readonly report: (report: { kind: 'opened'; cause: unknown } | { kind: 'closed' }) => void;
  readonly after?: After;
}

export interface Breaker {
  readonly isOpen: boolean;
  succeeded(): void;
  /** @param atOnce opens it, whatever went well before: it must not be asked until a probe has put something right */
  failed(cause: unknown, atOnce?: boolean): void;
  /** No more probes. */
  stop(): void;
}

/**
 * Keeps requests away from what doesn't work. While it is open nobody waits; half open is a probe of its own that no
 * request is held up by.
 */
export function createBreaker(options: BreakerOptions): Breaker {
  const { failures = 3, cooldownMs = 100, maxCooldownMs = 5000, probe, report, after = afterTimer } = options;
  let inARow = 0;
  let isOpen = false;
  let isStopped = false;
  let callOff = (): void => {};

  /** A listener's own failure is neither the request's nor a probe's. */
  function tell(what: Parameters<typeof report>[0]): void {
    try {
      report(what);
    } catch {
      // Nowhere to report to: reporting is what just failed.
    }
  }

  function probeIn(ms: number): void {
    if (isStopped) return;
    callOff = after(ms, () => {
      probe().then(
        () => {
          if (isStopped) return;
          isOpen = false;
          inARow = 0;
          tell({ kind: 'closed' });
        },
        () => probeIn(Math.min(ms * 2, maxCooldownMs)),
      );
    });
  }

  return {
    get isOpen() {
      return isOpen;
    },
    succeeded() {
      inARow = 0;
    },
    failed(cause, atOnce = false) {
      inARow += 1;
      if (isOpen || isStopped || (!atOnce && inARow < failures)) return;
      isOpen = true;
      tell({ kind: 'opened', cause });
      probeIn(cooldownMs);
    },
    stop() {
      isStopped = true;
      callOff();
    },
  };
}
