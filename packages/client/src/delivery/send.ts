import type { IdempotencyKey } from '@semel/contract/v1/pure';
import { type Clock, sinceMs } from '../clock.ts';
import type { Events } from '../events.ts';
import type { Action, Actions } from '../intent/key.ts';
import type { Journal, JournalRecord } from '../journal/journal.ts';
import { type Accepted, type Call, type Delivered, type DeliveryTools, deliver } from './deliver.ts';
import { within } from './within.ts';

/** What all calls of a client share. */
export interface Core extends DeliveryTools {
  readonly events: Events;
  readonly actions: Actions;
  readonly journal: Journal;
}

/** The key for the next attempt, with its age in whole seconds (at least one) on every attempt but the first. */
const keyFor = (clock: Clock, { key, made, sent }: Action): IdempotencyKey =>
  sent > 0 ? { key, ageMs: Math.ceil(Math.max(1, sinceMs(clock, made)) / 1000) * 1000 } : { key };

/**
 * One user action from claim to settlement: written down, delivered, and struck out once its outcome is known.
 * With a journal that answers at once, the first attempt leaves in the tick of the call.
 */
export async function send<T>(
  core: Core,
  action: Action,
  call: Call<T>,
  signal: AbortSignal,
  resume?: Accepted<T>,
): Promise<Delivered<T>> {
  const { clock, events, journal, policy } = core;
  const name = { path: action.path, key: action.key };
  const start = clock.monotonic();
  const record = (state: JournalRecord['state']): JournalRecord => ({
    ...name,
    createdAt: action.made.wall,
    attempts: action.sent,
    state,
  });
  const failed = (error: unknown) => events.emit({ type: 'journal_error', ...name, error });
  const note = async (write: () => unknown) => {
    try {
      await write();
    } catch (error) {
      failed(error);
    }
  };
  // Neither an abort nor the call itself waits for a journal that hangs.
  const claim = await within<JournalRecord>(
    clock,
    signal,
    policy.retry.attemptTimeoutMs,
    (resolve, reject) => {
      Promise.resolve(journal.claim(record('sending'))).then(resolve, reject);
      return () => {};
    },
  );
  if (claim.type === 'value') {
    action.lost ||= claim.value.attempts > action.sent;
    action.sent = Math.max(action.sent, claim.value.attempts);
  } else if (claim.type !== 'aborted') {
    failed(claim.type === 'error' ? claim.error : new Error('the journal takes too long'));
  }

  let attempts = 0;
  const delivered = await deliver<T>(
    call,
    {
      attempt(resolve, reject) {
        const key = keyFor(clock, action);
        const stop = call.attempt(key)(resolve, reject);
        action.sent++;
        void note(() => journal.update(record('sending')));
        events.emit({ type: 'attempt', ...name, attempt: ++attempts, ageMs: key.ageMs });
        return stop;
      },
      key: action.key,
      signal,
      resume,
      lost: action.lost,
      tell: (event) => events.emit({ ...event, ...name }),
      wait: async (accepted) => (await send(core, action, call, signal, accepted)).outcome,
    },
    core,
  );

  const { outcome } = delivered;
  const { status } = outcome;
  action.lost = status !== 'completed' && status !== 'rejected';
  if (action.lost) {
    void note(() => journal.update(record(status === 'accepted' ? status : 'unknown')));
  } else {
    void note(() => journal.settle(record('sending')));
    // A problem with the key itself is no reason to take another one.
    if (!('problem' in outcome && outcome.problem)) core.actions.end(action);
  }
  events.emit({ type: 'settled', ...name, status, attempts, elapsedMs: clock.monotonic() - start });
  return delivered;
}
