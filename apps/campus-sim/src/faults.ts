import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

const count = z.int().min(0).max(1_000_000).default(0);
const wait = z.int().min(0).max(600_000).default(0);

/**
 * The body of `POST /_sim/faults`: replaces what was set; what is left out is off, so `{}` heals. Whoever waits by the old
 * settings goes on at once: a test needs to guess no duration.
 */
export const faultsSchema = z.strictObject({
  /** The next n POSTs fail before they are looked at: no effect, nothing kept. */
  failNext: count,
  /** The status of these failures. */
  status: z.int().min(500).max(599).default(500),
  /** The next n answers are lost after the effect. Replays count. */
  loseAnswers: count,
  /** `connection`: reset before the first byte. `body`: cut in the middle of the answer. */
  loseHow: z.enum(['connection', 'body']).default('connection'),
  /** The next n answers never come, after the effect; the connection stays open, the key is not in use any more. */
  hangNext: count,
  /** Every request waits so long before its effect; its key is in use. A caller that hangs up stops nothing. */
  stallMs: wait,
  /** Every answer comes so much later, after the effect; its key is in use. */
  delayMs: wait,
});
export type Faults = z.infer<typeof faultsSchema>;
export type FaultSettings = z.input<typeof faultsSchema>;

/** Waits as the settings say; until the signal, if that comes first. */
export type Wait = (until: AbortSignal) => Promise<void>;

/** How an answer reaches the caller. */
export type Delivery =
  | { readonly kind: 'send'; readonly wait: Wait }
  | { readonly kind: 'lose'; readonly how: Faults['loseHow']; readonly wait: Wait }
  | { readonly kind: 'never' };

/** Counts down what is left of the faults. */
export interface FaultSwitch {
  /** @throws {z.ZodError} for settings that mean nothing */
  set(settings: unknown): Faults;
  /** The status of the failure that this request gets, if any: taken from the count. */
  takeFailure(): number | undefined;
  /** Before the effect. */
  stall: Wait;
  takeDelivery(): Delivery;
}

export function createFaultSwitch(): FaultSwitch {
  let faults = faultsSchema.parse({});
  let replaced = new AbortController();
  const take = (name: 'failNext' | 'loseAnswers' | 'hangNext'): boolean => {
    if (faults[name] === 0) return false;
    faults = { ...faults, [name]: faults[name] - 1 };
    return true;
  };
  return {
    set: (settings) => {
      faults = faultsSchema.parse(settings);
      replaced.abort();
      replaced = new AbortController();
      return faults;
    },
    takeFailure: () => (take('failNext') ? faults.status : undefined),
    stall: (until) => waitFor(faults.stallMs, replaced.signal)(until),
    takeDelivery: () => {
      if (take('hangNext')) return { kind: 'never' };
      const wait = waitFor(faults.delayMs, replaced.signal);
      return take('loseAnswers') ? { kind: 'lose', how: faults.loseHow, wait } : { kind: 'send', wait };
    },
  };
}

const waitFor =
  (ms: number, replaced: AbortSignal): Wait =>
  async (until) => {
    if (ms > 0) await sleep(ms, undefined, { signal: AbortSignal.any([until, replaced]) }).catch(() => {});
  };
