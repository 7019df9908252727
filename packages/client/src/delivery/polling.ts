import type { OperationState } from '@semel/contract/v1/pure';
import type { PollOptions } from '../options.ts';
import { pollMs } from './backoff.ts';
import { verdict } from './verdict.ts';
import type { Start, Time } from './within.ts';

/** What is read of a status. */
export interface Status {
  state?: OperationState;
  retryAfterMs?: number;
  progress?: unknown;
}

/** States that end without anyone doing anything. */
const RUNNING: readonly (OperationState | undefined)[] = ['accepted', 'processing', 'released'];

/**
 * Asks for the state of an accepted operation until it's time to send the call itself again, which then answers with
 * the stored outcome in its own types (status knows only the stored form). That is when it's settled, but also
 * when somebody has to decide about it, or there is no status to be had: the call's own answer is the authority.
 * A failing query is asked again; it can do no harm.
 *
 * @param progress hears every status
 * @returns whether it's time (or the signal aborted); `false` at the deadline
 */
export async function watchAccepted(
  status: Start<unknown>,
  firstMs: number,
  time: Time,
  inFlight: PollOptions,
  progress: (status: Status) => void,
): Promise<boolean> {
  let waitMs = firstMs;
  for (let polls = 0; waitMs < time.left(); polls++) {
    await time.within(waitMs);
    const answer = await time.attempt(status);
    if (answer.type === 'aborted' || verdict(answer).type === 'rejected') return true;
    waitMs = pollMs(inFlight, polls);
    if (answer.type === 'value') {
      const status = (answer.value ?? {}) as Status;
      const { state, retryAfterMs = 0 } = status;
      progress(status);
      if (!RUNNING.includes(state)) return true;
      waitMs = Math.max(waitMs, retryAfterMs);
    }
  }
  return false;
}
