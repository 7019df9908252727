import type { OperationState } from '@semel/contract/v1/pure';
import type { Clock } from '../clock.ts';
import type { PollOptions } from '../options.ts';
import { pollMs } from './backoff.ts';
import { verdict } from './verdict.ts';
import { type Start, within } from './within.ts';

interface Watch {
  clock: Clock;
  signal: AbortSignal;
  inFlight: PollOptions;
  /** Time until the deadline. */
  left: () => number;
  /** Time for one query. */
  limit: () => number;
}

/** States that end without anyone doing anything. */
const RUNNING: readonly (OperationState | undefined)[] = ['accepted', 'processing', 'released'];

/**
 * Asks for the state of an accepted operation until it's time to send the call itself again, which then answers with
 * the stored outcome in its own types (status knows only the stored form). That is when it's settled, but also
 * when somebody has to decide about it, or there is no status to be had: the call's own answer is the authority.
 * A failing query is asked again; it can do no harm.
 */
export async function watchAccepted(
  status: Start<unknown>,
  firstMs: number,
  { clock, signal, inFlight, left, limit }: Watch,
): Promise<'ask' | 'late' | 'aborted'> {
  let waitMs = firstMs;
  for (let polls = 0; ; polls++) {
    if (waitMs >= left()) return 'late';
    const slept = await within(clock, signal, waitMs);
    if (slept.type === 'aborted') return 'aborted';
    const answer = await within(clock, signal, limit(), status);
    if (answer.type === 'aborted') return 'aborted';
    if (verdict(answer).kind === 'rejected') return 'ask';
    waitMs = pollMs(inFlight, polls);
    if (answer.type === 'value') {
      const { state, retryAfterMs = 0 } = (answer.value ?? {}) as {
        state?: OperationState;
        retryAfterMs?: number;
      };
      if (!RUNNING.includes(state)) return 'ask';
      waitMs = Math.max(waitMs, retryAfterMs);
    }
  }
}
