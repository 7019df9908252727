import { type Clock, sinceMs } from '../clock.ts';
import type { Events } from '../events.ts';
import type { Action, Actions } from '../intent/key.ts';
import type { Journal, JournalRecord } from '../journal/journal.ts';
import { type Accepted, type Call, type Delivered, type DeliveryTools, deliver } from './deliver.ts';

/** What all calls of a client share. */
export interface Core extends DeliveryTools {
  readonly events: Events;
  readonly actions: Actions;
  readonly journal: Journal;
}

/** The key for the next attempt, with its age in whole seconds (at least one) on every attempt but the first. */
export const keyOf = (clock: Clock, { key, made, sent }: Action): { key: string; ageMs?: number } =>
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
  const { clock, events, journal } = core;
  const name = { path: action.path, key: action.key };
  const start = clock.monotonic();
  const record = (state: JournalRecord['state']): JournalRecord => ({
    ...name,
    createdAt: action.made.wall,
    attempts: action.sent,
    state,
  });
  const failed = (error: unknown) => events.emit({ type: 'journal_error', ...name, error });
  const note = (write: () => void | Promise<void>) => {
    try {
      write()?.catch(failed);
    } catch (error) {
      failed(error);
    }
  };
  try {
    const claimed = journal.claim(record('sending'));
    const known = claimed instanceof Promise ? await unlessAborted(claimed, signal) : claimed;
    if (known) {
      action.lost ||= known.attempts > action.sent;
      action.sent = Math.max(action.sent, known.attempts);
    }
  } catch (error) {
    failed(error);
  }

  let attempts = 0;
  const delivered = await deliver<T>(
    {
      ...call,
      attempt(resolve, reject) {
        const { ageMs } = keyOf(clock, action);
        const stop = call.attempt(resolve, reject);
        action.sent++;
        note(() => journal.update(record('sending')));
        events.emit({ type: 'attempt', ...name, attempt: ++attempts, ageMs });
        return stop;
      },
    },
    {
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
  if (status === 'completed' || status === 'rejected') {
    note(() => journal.settle(record('sending')));
    // A problem with the key itself is no reason to take another one.
    if (status === 'completed' || !outcome.problem) core.actions.end(action);
  } else {
    note(() => journal.update(record(status === 'accepted' ? status : 'unknown')));
  }
  events.emit({ type: 'settled', ...name, status, attempts, elapsedMs: clock.monotonic() - start });
  return delivered;
}

/** A slow journal doesn't hold up an abort. */
const unlessAborted = <T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> =>
  new Promise((resolve, reject) => {
    promise.then(resolve, reject);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
