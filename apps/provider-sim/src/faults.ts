import { z } from 'zod';

/** How an answer gets lost. Both destroy the socket after the effect; they differ in what the client sees. */
export const loseHow = z.enum(['body', 'connection']);
export type LoseHow = z.infer<typeof loseHow>;

const count = z.int().min(0).default(0);

/** The body of `POST /_sim/faults`; what is left out is off, so `{}` heals. */
export const faultsSchema = z.strictObject({
  /** The next n answers to POST /v1/… are lost after the effect (replays count). */
  loseAnswers: count,
  /** @default what the simulator was started with */
  loseHow: loseHow.optional(),
  /** Every /v1 answer comes this much later, after the effect. */
  delayMs: z.int().min(0).max(600_000).default(0),
  /** The next n /v1 requests that `on` names fail without an effect; nothing is kept. */
  failNext: count,
  /** The status of these failures. */
  status: z.int().min(400).max(599).default(500),
  on: z.enum(['POST', 'GET', 'all']).default('POST'),
});
export type Faults = z.infer<typeof faultsSchema>;
export type FaultSettings = z.input<typeof faultsSchema>;

/** Counts down what is left of the faults. */
export interface FaultSwitch {
  /** @throws {z.ZodError} for settings that mean nothing */
  set(settings: unknown): Faults;
  /** The failure that this request gets, if any: taken from the count. */
  takeFailure(method: string): number | undefined;
  takeLoss(): LoseHow | 'default' | undefined;
  delayMs(): number;
}

export function createFaultSwitch(): FaultSwitch {
  let faults = faultsSchema.parse({});
  return {
    set: (settings) => {
      faults = faultsSchema.parse(settings);
      return faults;
    },
    takeFailure: (method) => {
      if (faults.failNext === 0 || (faults.on !== 'all' && faults.on !== method)) return undefined;
      faults = { ...faults, failNext: faults.failNext - 1 };
      return faults.status;
    },
    takeLoss: () => {
      if (faults.loseAnswers === 0) return undefined;
      faults = { ...faults, loseAnswers: faults.loseAnswers - 1 };
      return faults.loseHow ?? 'default';
    },
    delayMs: () => faults.delayMs,
  };
}
