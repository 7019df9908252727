import type { IdempotencyKey } from '@semel/contract/v1/pure';
import { type Clock, momentOf, sinceMs } from '../clock.ts';
import { IntentConflictError } from '../errors.ts';
import type { Events } from '../events.ts';
import type { Action, Actions } from '../intent/key.ts';
import { type Book, isLate } from '../journal/book.ts';
import { type JournalRecord, nameOf } from '../journal/journal.ts';
import type { Tabs } from '../presence/presence.ts';
import { type Accepted, type Call, type Delivered, type DeliveryTools, deliver } from './deliver.ts';
import { within } from './within.ts';

/** A call that this page is at. */
export interface Live {
  readonly action: Action;
  readonly fingerprint: string | undefined;
  readonly signal: AbortSignal;
  readonly delivered: Promise<Delivered<unknown>>;
}

/** What all calls of a client share. */
export interface Core extends DeliveryTools {
  readonly events: Events;
  readonly actions: Actions;
  readonly book: Book;
  readonly tabs: Tabs | undefined;
  /** By the name of the record. */
  readonly live: Map<string, Live>;
  /** What is written down of a call. */
  entry(path: string, input: unknown, intent: string | undefined): Entry;
}

/** What an action is written down with, besides its key. */
export interface Entry {
  readonly fingerprint: string | undefined;
  /** Where it may be kept. */
  readonly input?: unknown;
}

/** The key for the next attempt, with its age in whole seconds (at least one) on every attempt but the first. */
const keyFor = (clock: Clock, { key, made, sent }: Action): IdempotencyKey =>
  sent > 0 ? { key, ageMs: Math.ceil(Math.max(1, sinceMs(clock, made)) / 1000) * 1000 } : { key };

const rejected = (key: string, error: unknown): Delivered<never> => ({
  error,
  outcome: { status: 'rejected', error, key },
});

const unknown = (reason: 'key_expired' | 'aborted', key: string, cause?: unknown): Delivered<never> => ({
  ...(cause !== undefined && { error: cause }),
  outcome: { status: 'unknown', reason, key, cause },
});

/**
 * One call, from claim to settlement. With an intent that this page is at already it waits for that and gets the same
 * answer, unless the other call was given up by its caller: then it goes on itself.
 */
export async function send<T>(
  core: Core,
  action: Action,
  entry: Entry,
  call: Call<T>,
  signal: AbortSignal,
  resume?: Accepted<T>,
): Promise<Delivered<T>> {
  const { path, key, intent } = action;
  const identity: Identity = { ...core.book.owner(), path, key, intent };
  const name = nameOf(identity);
  for (;;) {
    const other = intent === undefined ? undefined : core.live.get(name);
    if (!other) break;
    const { key, made, sent } = other.action;
    if (other.fingerprint !== entry.fingerprint) {
      const record = { ...identity, key, createdAt: made.wall, attempts: sent, state: 'sending' } as const;
      return rejected(key, new IntentConflictError(record));
    }
    core.events.emit({ type: 'joined', path, key, intent, by: 'page' });
    const answer = await within<Delivered<unknown>>(core.clock, signal, Infinity, (resolve) => {
      void other.delivered.then(resolve);
      return () => {};
    });
    if (answer.type === 'value' && !other.signal.aborted) return answer.value as Delivered<T>;
    if (signal.aborted) return unknown('aborted', other.action.key, signal.reason);
  }
  const delivered = run(core, action, entry, call, signal, resume, identity);
  const live: Live = { action, fingerprint: entry.fingerprint, signal, delivered };
  core.live.set(name, live);
  try {
    return await delivered;
  } finally {
    if (core.live.get(name) === live) core.live.delete(name);
  }
}

/**
 * Gives a call that a page brings back after a reload (a persisted mutation) the key of the action that an earlier page
 * left open, if there is one for the same procedure with an equal input.
 */
export async function adopt<T>(
  { book, live }: Core,
  action: Action,
  { fingerprint }: Entry,
  then: () => Promise<T>,
): Promise<T> {
  const left = (await book.mine()).find(
    (record) =>
      record.path === action.path &&
      record.fingerprint === fingerprint &&
      record.intent === undefined &&
      !live.has(nameOf(record)),
  );
  if (left) action.key = left.key;
  // In the same breath, so that an equal mutation takes the next one.
  return then();
}

type Identity = Pick<JournalRecord, 'path' | 'key' | 'intent' | 'scope' | 'deployment'>;

/**
 * One user action: written down, delivered, and struck out once its outcome is known (an intent that is done stays, so
 * that a later click finds its key). With a journal that answers at once, the first attempt leaves in the tick of the call.
 */
async function run<T>(
  core: Core,
  action: Action,
  entry: Entry,
  call: Call<T>,
  signal: AbortSignal,
  resume: Accepted<T> | undefined,
  identity: Identity,
  again = false,
  waited = false,
): Promise<Delivered<T>> {
  const { clock, events, policy, tabs } = core;
  const { journal } = core.book;
  const { path, intent } = action;
  const { retentionMs, retry } = policy;
  const start = clock.monotonic();
  let done = false;
  let operationId = resume?.body.operationId;
  const about = () => ({ path, key: action.key, intent });
  const record = (state: JournalRecord['state']): JournalRecord => ({
    ...identity,
    key: action.key,
    createdAt: action.made.wall,
    expiresAt: action.made.wall + retentionMs,
    attempts: action.sent,
    fingerprint: entry.fingerprint,
    state,
    ...(state !== 'completed' && {
      input: entry.input,
      owner: tabs?.id,
      leaseUntil: clock.now() + retry.attemptTimeoutMs,
      operationId,
    }),
  });
  const failed = (error: unknown) => events.emit({ type: 'journal_error', ...about(), error });
  const note = async (write: () => unknown) => {
    try {
      await write();
    } catch (error) {
      failed(error);
    }
  };
  /** The last thing to be written; those who wait for it are told when it's there to be read. */
  const conclude = (write: () => unknown) => void note(write).then(() => tabs?.tell(nameOf(identity)));
  /** How it ended without anything being sent, and without the record being ours to change. */
  let early: Delivered<T> | undefined;
  const proposed = record('sending');
  let asked: Promise<JournalRecord> | undefined;
  // Neither an abort nor the call itself waits for a journal that hangs.
  const claim = await within<JournalRecord>(clock, signal, retry.attemptTimeoutMs, (resolve, reject) => {
    asked = Promise.all([journal.claim(proposed), tabs?.ready]).then(([found]) => found);
    asked.then(resolve, reject);
    return () => {};
  });
  if (claim.type === 'value') {
    const found = claim.value;
    const isDone = found.state === 'completed';
    const late = isLate(clock, found);
    // What is done and over, is done: this is a new action.
    const isOver = isDone && late;
    if (isOver && !again) {
      await note(() => journal.settle(found));
      return run(core, action, entry, call, signal, resume, identity, true, waited);
    }
    if (found !== proposed && !isOver) {
      done = isDone;
      action.key = found.key;
      if (found.createdAt < action.made.wall) action.made = momentOf(clock, clock.now() - found.createdAt);
      // Whoever wrote it down may have died between sending it and writing that down.
      action.sent = Math.max(1, action.sent, found.attempts);
      action.lost = true;
      if (intent !== undefined && found.fingerprint !== entry.fingerprint) {
        early = rejected(action.key, new IntentConflictError(found));
      } else if (late) {
        // The server may have forgotten it, and would do it again.
        early = unknown('key_expired', action.key);
        // Waited once, a lease that is over stays so: then a tab lives, but can't write, and the server sorts it out.
      } else if (tabs?.isOthers(found) && !(waited && clock.now() > (found.leaseUntil ?? 0))) {
        events.emit({ type: 'joined', ...about(), by: 'tab' });
        const name = nameOf(found);
        const read = async () => (await journal.list()).find((each) => nameOf(each) === name);
        const take = () => note(() => journal.update(record('sending')));
        const isTaken = await tabs.turn(name, read, take, signal);
        if (isTaken) events.emit({ type: 'takeover', ...about() });
        // Whoever was at it may have struck it out. Then it's written down again, under the same key: what became of that
        // is this call's outcome too.
        if (!signal.aborted) {
          await take();
          return run(core, action, entry, call, signal, resume, identity, again, true);
        }
        early = unknown('aborted', action.key, signal.reason);
        // It's this tab's already: others would wait for it.
        if (isTaken) conclude(() => journal.update(record('unknown')));
      }
    }
  } else if (claim.type !== 'aborted') {
    const cause = claim.type === 'error' ? claim.error : new Error('the journal takes too long');
    failed(cause);
    if (policy.required) {
      early = rejected(action.key, new Error('journal_unavailable: nothing was sent', { cause }));
    }
  }

  let attempts = 0;
  const delivered =
    early ??
    (await deliver<T>(
      call,
      {
        attempt(resolve, reject) {
          const key = keyFor(clock, action);
          const stop = call.attempt(key)(resolve, reject);
          action.sent++;
          void note(() => journal.update(record(done ? 'completed' : 'sending')));
          events.emit({ type: 'attempt', ...about(), attempt: ++attempts, ageMs: key.ageMs });
          return stop;
        },
        key: action.key,
        signal,
        resume,
        lost: action.lost,
        tell(event) {
          if (event.type === 'accepted') {
            operationId = event.operationId;
            void note(() => journal.update(record('accepted')));
          }
          if (event.type === 'unkeyed') events.warn('headers_not_wired', path);
          events.emit({ ...event, ...about() });
        },
        wait: async (accepted) => (await send(core, action, entry, call, signal, accepted)).outcome,
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
    conclude(() => journal.update(record(status)));
  } else if (action.lost || (keyProblem && intent !== undefined)) {
    if (!done) conclude(() => journal.update(record(status === 'accepted' ? status : 'unknown')));
  } else {
    conclude(async () => {
      // Given up before the journal had answered, it may be somebody else's; and an intent's record that isn't sent yet may
      // have been found by another tab: its key has to stay.
      if (signal.aborted && (await asked) !== proposed) return;
      if (signal.aborted && intent !== undefined) await journal.update(record('unknown'));
      else await journal.settle(record('sending'));
    });
    if (!keyProblem) core.actions.end(action);
  }
  events.emit({ type: 'settled', ...about(), status, attempts, elapsedMs: clock.monotonic() - start });
  return delivered;
}
