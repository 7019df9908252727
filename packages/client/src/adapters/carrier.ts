import type { Operation } from '@trpc/client';

/** How a call's key travels. `headers`: HTTP links. `envelope`: in the input, for `wsLink` (a socket has no headers per call). */
export type Carrier = 'headers' | 'envelope';

/** Member of `op.context` that tells the terminating link's `headers` what to send for a call. */
export const CARRIED = '$semel';

/** A key on its way through the links, and what becomes of it. */
export interface Carried {
  readonly key: string;
  readonly ageMs?: number;
  /** Set when `headers` has put the key on a request: how the mark of replayed calls names this one there. */
  place: string | undefined;
}

export const carriedBy = (op: Operation): Carried | undefined => op.context[CARRIED] as Carried | undefined;
