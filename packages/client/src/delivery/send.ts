import { momentOf, sinceMs } from '../clock.ts';
import { IntentConflictError } from '../errors.ts';
import type { Events, SemelEvent } from '../events.ts';
import type { Action, Actions } from '../intent/key.ts';
import { type Book, isLate } from '../journal/book.ts';
import { type JournalRecord, nameOf } from '../journal/journal.ts';
import type { Tabs } from '../presence/presence.ts';
import {
  type Accepted,
  type Call,
  type Delivered,
  type DeliveryTools,
  deliver,
  failed,
  type Told,
} from './deliver.ts';
import { awaiting, within } from './within.ts';

/** A call that this page is at. */
export interface Live {
  readonly action: Action;
  readonly signal: AbortSignal;
  readonly delivered: Promise<Delivered<unknown>>;
}

/** What all calls of a client share. */
export interface Core extends DeliveryTools, Book {
  readonly events: Events;
  readonly actions: Actions;
  readonly tabs: Tabs | undefined;
  /** By the name of the record. */
  readonly live: Map<string, Live>;
  /** Notes on an action what is written down of its input. */
  describe(action: Action, input: unknown): Action;
}

/**
 * One call, from claim to settlement. With an intent that this page is at already it waits for that and gets the same
 * answer, unless the other call was given up by its caller: then it goes on itself.
 *
 * @param resumed begin by waiting for this accepted operation
 * @param isBack a page brings the call back after a reload (a persisted mutation): it gets the key of the action that an
 * earlier page left open, if there is one for the same procedure with an equal input
 */
export async function send<T>(
  core: Core,
  action: Action,
  call: Call<T>,
  signal: AbortSignal,
  resumed?: Accepted<T>,
  isBack?: unknown,
): Promise<Delivered<T>> {
  const { clock, live, events } = core;
  const { path, intent, fingerprint } = action;
  if (isBack) {
    const left = (await core.mine()).find(
      (record) =>
        record.path === path &&
        // Where inputs aren't told apart, no record is known to be this one's.
        fingerprint !== undefined &&
        record.fingerprint === fingerprint &&
        record.intent === undefined &&
        !live.has(nameOf(record)),
    );
    // From here on in the same breath, so that an equal mutation takes the next one.
    if (left) action.key = left.key;
  }
  const identity: Identity = { ...core.owner(), path, key: action.key, intent };
  const name = nameOf(identity);
  for (;;) {
    const other = intent === undefined ? undefined : live.get(name);
    if (!other) break;
    const { key, made, sent } = other.action;
    if (other.action.fingerprint !== fingerprint) {
      const record = { ...identity, key, createdAt: made.wall, attempts: sent, state: 'sending' } as const;
      return failed(key, false, 'refused', new IntentConflictError(record));
    }
    events.emit({ type: 'joined', path, key: action.key, intent, by: 'page' });
    const answer = await within(clock, signal, Infinity, awaiting(other.delivered));
    if (answer.type === 'value' && !other.signal.aborted) return answer.value as Delivered<T>;
    if (signal.aborted) return failed(other.action.key, true, 'aborted', signal.reason);
  }
  const delivered = run(core, action, call, signal, resumed, identity, name);
  const mine: Live = { action, signal, delivered };
  live.set(name, mine);
  try {
    return await delivered;
  } finally {
    if (live.get(name) === mine) live.delete(name);
  }
}

type Identity = Pick<JournalRecord, 'path' | 'key' | 'intent' | 'scope' | 'deployment'>;

/**
 * One user action: written down, delivered, and struck out once its outcome is known (an intent that is done stays, so
 * that a later click finds its key). With a journal that answers at once, the first attempt leaves in the tick of the call.
 */
async function run<T>(
  core: Core,
  action: Action,
  call: Call<T>,
  signal: AbortSignal,
  resumed: Accepted<T> | undefined,
  identity: Identity,
  name: string,
): Promise<Delivered<T>> {
  const { clock, events, journal, tabs } = core;
  const { path, intent, fingerprint } = action;
  const { attemptTimeoutMs } = core.retry;
  let operationId = resumed?.body.operationId;
  const emit = (event: Told<SemelEvent>) =>
    events.emit({ ...event, path, key: action.key, intent } as SemelEvent);
  const record = (state: JournalRecord['state']): JournalRecord => ({
    ...identity,
    key: action.key,
    createdAt: action.made.wall,
    expiresAt: action.made.wall + core.retentionMs,
    attempts: action.sent,
    fingerprint,
    state,
    ...(state !== 'completed' && {
      input: action.kept,
      owner: tabs?.id,
      leaseUntil: clock.now() + attemptTimeoutMs,
      operationId,
    }),
  });
  const note = async (act: () => unknown) => {
    try {
      await act();
    } catch (error) {
      emit({ type: 'journal_error', error });
    }
  };
  const write = (state: JournalRecord['state']) => note(() => journal.update(record(state)));
  /** Those who wait for what is written last are told when it's there to be read. */
  const conclude = (written: Promise<void>) => void written.then(() => tabs?.tell(name));

  const ask = async (proposal: JournalRecord) => {
    const found = await journal.claim(proposal);
    await tabs?.ready;
    return found;
  };

  let start: number;
  let proposed: JournalRecord;
  let asked: Promise<JournalRecord>;
  /** An intent that is done is sent again for its answer. */
  let isDone = false;
  let hasWaited = false;
  let hasCleared = false;
  /** How it ended without anything being sent, and without the record being ours to change. */
  let early: Delivered<T> | undefined;
  for (;;) {
    start = clock.monotonic();
    proposed = record('sending');
    // Neither an abort nor the call itself waits for a journal that hangs; but one that falls back to its memory has a key.
    const claim = await within<JournalRecord>(
      clock,
      signal,
      Math.max(attemptTimeoutMs, 2_000),
      (...settle) => {
        asked = ask(proposed);
        return awaiting(asked)(...settle);
      },
    );
    if (claim.type === 'aborted') break;
    if (claim.type !== 'value') {
      const cause = claim.type === 'error' ? claim.error : new Error('the journal takes too long');
      emit({ type: 'journal_error', error: cause });
      if (core.required) {
        const error = new Error('journal_unavailable: nothing was sent', { cause });
        early = failed(action.key, false, 'refused', error);
      }
      break;
    }
    const found = claim.value;
    const isOver = isLate(clock, found);
    isDone = found.state === 'completed';
    if (isDone && isOver) {
      isDone = false;
      // What is done and over, is done: this is a new action.
      if (hasCleared) break;
      hasCleared = true;
      await note(() => journal.settle(found));
      continue;
    }
    if (found === proposed) break;
    action.key = found.key;
    if (found.createdAt < action.made.wall) action.made = momentOf(clock, clock.now() - found.createdAt);
    // Whoever wrote it down may have died between sending it and writing that down.
    action.sent = Math.max(1, action.sent, found.attempts);
    action.lost = true;
    if (intent !== undefined && found.fingerprint !== fingerprint) {
      early = failed(action.key, false, 'refused', new IntentConflictError(found));
    } else if (isOver) {
      // The server may have forgotten it, and would do it again.
      early = failed(action.key, true, 'key_expired');
      // Waited once, a lease that is over stays so: then a tab lives, but can't write, and the server sorts it out.
    } else if (tabs?.isOthers(found) && !(hasWaited && clock.now() > (found.leaseUntil ?? 0))) {
      const isTaken = await tabs.turn(found, journal, () => write('sending'), signal, emit);
      if (!signal.aborted) {
        // Whoever was at it may have struck it out. Then it's written down again, under the same key: what became of that
        // is this call's outcome too.
        await write('sending');
        hasWaited = true;
        continue;
      }
      early = failed(action.key, true, 'aborted', signal.reason);
      // It's this tab's already: others would wait for it.
      if (isTaken) conclude(write('unknown'));
    }
    break;
  }

  let attempts = 0;
  const delivered: Delivered<T> =
    early ??
    (await deliver<T>(
      call,
      {
        attempt(resolve, reject) {
          const { key, made, sent } = action;
          // In whole seconds, at least one, on every attempt but the first.
          const ageMs = sent ? Math.ceil(Math.max(1, sinceMs(clock, made)) / 1000) * 1000 : undefined;
          const stop = call.attempt(ageMs ? { key, ageMs } : { key })(resolve, reject);
          action.sent++;
          void write(isDone ? 'completed' : 'sending');
          emit({ type: 'attempt', attempt: ++attempts, ageMs });
          return stop;
        },
        key: action.key,
        signal,
        resumed,
        lost: action.lost,
        tell(event) {
          if (event.type === 'accepted') {
            operationId = event.operationId;
            void write('accepted');
          }
          if (event.type === 'unkeyed') events.warn('headers_not_wired', path);
          emit(event);
        },
        wait: async (accepted) => (await send(core, action, call, signal, accepted)).outcome,
      },
      core,
    ));

  const { outcome } = delivered;
  const { status } = outcome;
  // A problem with the key itself is no reason to take another one.
  const keyProblem = 'problem' in outcome && outcome.problem;
  action.lost = status !== 'completed' && status !== 'rejected';
  if (early) {
    // Nothing of it is ours.
  } else if (status === 'completed' && intent !== undefined) {
    conclude(write(status));
  } else if (action.lost || (keyProblem && intent !== undefined)) {
    if (!isDone) conclude(write(status === 'accepted' ? status : 'unknown'));
  } else {
    conclude(
      note(async () => {
        if (signal.aborted) {
          // Given up before the journal had answered, it may be somebody else's; and an intent's record that isn't sent yet
          // may have been found by another tab: its key has to stay.
          if ((await asked) !== proposed) return;
          // Without its input: what its user gave up isn't sent again by a page that loads.
          if (intent !== undefined) return journal.update({ ...record('unknown'), input: undefined });
        }
        return journal.settle(record('sending'));
      }),
    );
    if (!keyProblem) core.actions.end(action);
  }
  emit({ type: 'settled', status, attempts, elapsedMs: clock.monotonic() - start });
  return delivered;
}
